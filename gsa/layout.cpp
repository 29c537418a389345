#include "gsa/layout.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "gsa/gist_config.h"

namespace unfold::gsa {

std::int64_t position_count(const Layout& layout) {
  std::int32_t last = 0;
  for (const std::int32_t position : layout.rope) last = std::max(last, position);
  return std::int64_t{last} + 1;
}

namespace {

// Of a document, position by position.
class PartOrder {
 public:
  explicit PartOrder(int levels) : top_(levels - 1) {}

  // Whether a token of this part and level may come next. The first token of a document of the row
  // begins a new order.
  bool accepts(bool first, Part part, std::int8_t level) {
    const bool inside = !first && last_ == Part::document;
    const bool follows = first ? part != Part::link : may_follow(last_, part);
    const bool closed = !inside || part == Part::document || level_ == top_;
    const bool gist_fits = level < 0 || part == Part::none || (part == Part::document && inside);
    last_ = part;
    level_ = level;
    return follows && closed && gist_fits;
  }
  // Whether a document of the row may end here.
  bool complete() const { return last_ != Part::document; }

 private:
  static bool may_follow(Part before, Part next) {
    switch (before) {
      case Part::none:
        return next == Part::none;
      case Part::system:
        return next == Part::system || next == Part::document || next == Part::suffix;
      case Part::document:
        return next == Part::document || next == Part::link;
      case Part::link:
        return next == Part::link || next == Part::document || next == Part::suffix;
      case Part::suffix:
        return next == Part::suffix;
    }
    return false;
  }

  int top_;
  Part last_ = Part::none;
  int level_ = -1;  // of the last token
};

void check_parts(const Layout& layout) {
  core::check(layout.levels > 0, "layout", "links without levels of gists");
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    PartOrder order(layout.levels);
    for (std::int64_t t = 0; t < layout.length; ++t) {
      const auto i = static_cast<std::size_t>(row * layout.length + t);
      const bool first = t == 0 || layout.document[i] != layout.document[i - 1];
      core::check(!first || order.complete(), "layout",
                  "row {} position {}: a document without links behind it", row, t);
      const bool padding = layout.document[i] < 0;
      core::check(order.accepts(first, layout.part[i], layout.level[i]) &&
                      (!padding || layout.part[i] == Part::none),
                  "layout", "row {} position {}: part {} out of order, or its gists are", row, t,
                  static_cast<int>(layout.part[i]));
    }
    core::check(order.complete(), "layout", "row {}: a document without links behind it", row);
  }
}

}  // namespace

Layout make_layout(std::int64_t rows, std::int64_t length, int levels,
                   std::span<const std::int8_t> level, std::span<const std::int32_t> document,
                   std::span<const Part> part) {
  constexpr std::int64_t kMaxLength = std::numeric_limits<std::int32_t>::max();
  core::check(rows >= 0 && length >= 0 && length < kMaxLength, "layout", "{} rows of {} positions",
              rows, length);
  core::check(levels >= 0 && levels <= kMaxLevels, "layout", "{} gist levels", levels);
  const auto matches = [&](std::size_t size) {
    if (length == 0) return size == 0;
    const auto width = static_cast<std::size_t>(length);
    return size % width == 0 && size / width == static_cast<std::size_t>(rows);
  };
  core::check(
      matches(level.size()) && matches(document.size()) && (part.empty() || matches(part.size())),
      "layout", "{} levels, {} documents and {} parts for {} rows of {} positions", level.size(),
      document.size(), part.size(), rows, length);

  Layout layout{.rows = rows,
                .length = length,
                .levels = levels,
                .level = {level.begin(), level.end()},
                .document = {document.begin(), document.end()},
                .rope = std::vector<std::int32_t>(level.size(), 0),
                .part = {}};
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int32_t current = -1;  // document of the position before
    std::int32_t raw = 0;       // raw tokens of the document so far
    bool padding = false;
    for (std::int64_t t = 0; t < length; ++t) {
      const auto i = static_cast<std::size_t>(row * length + t);
      if (document[i] == -1) {
        padding = true;
        core::check(level[i] == -1, "layout", "row {} position {}: padding with gist level {}", row,
                    t, int{level[i]});
        continue;
      }
      core::check(!padding, "layout", "row {} position {}: document {} behind padding", row, t,
                  document[i]);
      core::check(level[i] >= -1 && level[i] < levels, "layout",
                  "row {} position {}: gist level {} of {}", row, t, int{level[i]}, levels);
      if (document[i] != current) {
        core::check(document[i] == current + 1, "layout",
                    "row {} position {}: document {} behind document {}", row, t, document[i],
                    current);
        current = document[i];
        raw = 0;
      }
      // index - gists up to and including t = raw tokens up to and including t, minus one.
      if (level[i] < 0) ++raw;
      layout.rope[i] = raw - 1;
    }
  }
  const auto linked = [](Part one) { return one != Part::none; };
  if (std::any_of(part.begin(), part.end(), linked)) {
    layout.part.assign(part.begin(), part.end());
    check_parts(layout);
  }
  return layout;
}

std::vector<DocumentSpan> document_spans(const Layout& layout, std::int64_t row) {
  core::check(row >= 0 && row < layout.rows, "layout", "row {} of {}", row, layout.rows);
  std::vector<DocumentSpan> spans;
  for (std::int32_t t = 0; t < layout.length; ++t) {
    const auto i = static_cast<std::size_t>(row * layout.length + t);
    if (layout.document[i] < 0) break;
    if (t == 0 || layout.document[i] != layout.document[i - 1]) spans.push_back({t, t, false});
    spans.back().end = t + 1;
    if (!layout.part.empty() && layout.part[i] != Part::none) spans.back().linked = true;
    if (layout.level[i] >= 0) spans.back().has_gist = true;
  }
  return spans;
}

}  // namespace unfold::gsa
