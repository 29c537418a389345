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

Layout make_layout(std::int64_t rows, std::int64_t length, int levels,
                   std::span<const std::int8_t> level, std::span<const std::int32_t> document) {
  constexpr std::int64_t kMaxLength = std::numeric_limits<std::int32_t>::max();
  core::check(rows >= 0 && length >= 0 && length < kMaxLength, "layout", "{} rows of {} positions",
              rows, length);
  core::check(levels >= 0 && levels <= kMaxLevels, "layout", "{} gist levels", levels);
  const auto matches = [&](std::size_t size) {
    if (length == 0) return size == 0;
    const auto width = static_cast<std::size_t>(length);
    return size % width == 0 && size / width == static_cast<std::size_t>(rows);
  };
  core::check(matches(level.size()) && matches(document.size()), "layout",
              "{} levels and {} documents for {} rows of {} positions", level.size(),
              document.size(), rows, length);

  Layout layout{.rows = rows,
                .length = length,
                .levels = levels,
                .level = {level.begin(), level.end()},
                .document = {document.begin(), document.end()},
                .rope = std::vector<std::int32_t>(level.size(), 0)};
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
    if (layout.level[i] >= 0) spans.back().has_gist = true;
  }
  return spans;
}

}  // namespace unfold::gsa
