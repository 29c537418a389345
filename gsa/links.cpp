#include "gsa/links.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/layout.h"
#include "gsa/visibility.h"

namespace unfold::gsa {
namespace {

using Part = LinkedLayout::Part;

void append(LinkedLayout& layout, Part part, std::int32_t document, std::int8_t level, bool sink) {
  const std::int32_t before = layout.rope.empty() ? -1 : layout.rope.back();
  layout.part.push_back(part);
  layout.document.push_back(document);
  layout.level.push_back(level);
  layout.rope.push_back(level < 0 ? before + 1 : before);
  layout.sink.push_back(sink ? 1 : 0);
}

// Section 5 with levels [begin, end) as one document.
bool visible_within(const LinkedLayout& layout, const GistConfig& gist, std::int64_t begin,
                    std::int64_t end, std::int64_t q, std::int64_t k) {
  const std::vector<std::int8_t> level(layout.level.begin() + begin, layout.level.begin() + end);
  const std::vector<std::int32_t> document(level.size(), 0);
  const Layout row = make_layout(1, end - begin, layout.levels, level, document);
  return visible(count_row(row, 0, gist), q - begin, k - begin, gist, Visibility::gist);
}

}  // namespace

LinkedLayout make_linked_layout(std::int64_t system,
                                std::span<const std::vector<std::int8_t>> documents,
                                std::int64_t links, std::int64_t suffix, const GistConfig& gist) {
  LinkedLayout layout;
  layout.levels = gist.levels();
  for (std::int64_t i = 0; i < system; ++i) append(layout, Part::system, -1, -1, false);
  std::int32_t index = 0;
  for (const std::vector<std::int8_t>& document : documents) {
    core::check(!document.empty() && document[0] < 0, "links",
                "document {} does not begin with a raw token", index);
    for (std::size_t t = 0; t < document.size(); ++t) {
      core::check(document[t] >= -1 && document[t] < layout.levels, "links",
                  "document {} token {}: gist level {} of {}", index, t, int{document[t]},
                  layout.levels);
      append(layout, Part::document, index, document[t], static_cast<std::int64_t>(t) < gist.sinks);
    }
    for (std::int64_t i = 0; i < links; ++i) append(layout, Part::link, index, -1, false);
    ++index;
  }
  for (std::int64_t i = 0; i < suffix; ++i) append(layout, Part::suffix, -1, -1, false);
  return layout;
}

bool linked_visible(const LinkedLayout& layout, const GistConfig& gist, std::int64_t q,
                    std::int64_t k) {
  core::check(q >= 0 && q < layout.size() && k >= 0 && k < layout.size(), "links",
              "query {} and key {} of {}", q, k, layout.size());
  if (k > q) return false;
  const auto query = static_cast<std::size_t>(q);
  const auto key = static_cast<std::size_t>(k);
  if (layout.part[query] == Part::system || k == q) return true;
  if (layout.part[query] == Part::document) {
    if (layout.part[key] != Part::document || layout.document[key] != layout.document[query]) {
      return false;
    }
    const auto own = [&](std::size_t t) {
      return layout.part[t] == Part::document && layout.document[t] == layout.document[query];
    };
    std::size_t begin = query;
    while (begin > 0 && own(begin - 1)) --begin;
    std::size_t end = query;
    while (end < layout.part.size() && own(end)) ++end;
    return visible_within(layout, gist, static_cast<std::int64_t>(begin),
                          static_cast<std::int64_t>(end), q, k);
  }
  const bool anchor = layout.part[key] == Part::system || layout.part[key] == Part::link ||
                      (layout.sink[key] != 0 && layout.level[key] < 0);
  if (anchor) return true;
  if (layout.part[query] == Part::link) return layout.level[key] >= 0;
  return visible_within(layout, gist, 0, layout.size(), q, k);
}

}  // namespace unfold::gsa
