// Links (METHOD.md section 8) by the definition, for tests: written down pair by pair over the
// parts of a prompt, with section 5 asked of what stands for a document of its own. It knows
// nothing of the runs, anchors and classes of the product.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/error.h"
#include "gsa/layout.h"
#include "gsa/visibility.h"

namespace unfold::gsa {

// One row: system tokens, documents (levels of the tokens of each) with links behind each, suffix.
inline Layout make_linked_layout(std::int64_t system,
                                 std::span<const std::vector<std::int8_t>> documents,
                                 std::int64_t links, std::int64_t suffix, const GistConfig& gist) {
  std::vector<std::int8_t> level;
  std::vector<Part> part;
  const auto append = [&](std::int64_t count, Part of) {
    level.insert(level.end(), static_cast<std::size_t>(count), -1);
    part.insert(part.end(), static_cast<std::size_t>(count), of);
  };
  append(system, Part::system);
  for (const std::vector<std::int8_t>& document : documents) {
    core::check(!document.empty(), "links", "an empty document");
    level.insert(level.end(), document.begin(), document.end());
    part.insert(part.end(), document.size(), Part::document);
    append(links, Part::link);
  }
  append(suffix, Part::suffix);
  const std::vector<std::int32_t> one(level.size(), 0);
  return make_layout(1, static_cast<std::int64_t>(level.size()), gist.levels(), level, one, part);
}

// Of one document of one row of a layout.
class LinkedRule {
 public:
  LinkedRule(const Layout& layout, std::int64_t row, const DocumentSpan& document,
             const GistConfig& gist)
      : levels_(layout.levels), gist_(gist) {
    const auto begin = static_cast<std::ptrdiff_t>(row * layout.length + document.begin);
    const auto end = static_cast<std::ptrdiff_t>(row * layout.length + document.end);
    level_.assign(layout.level.begin() + begin, layout.level.begin() + end);
    part_.assign(layout.part.begin() + begin, layout.part.begin() + end);
  }

  // q and k are counted from the first token of the document.
  bool sees(std::int64_t q, std::int64_t k) const {
    if (k > q) return false;
    if (part(q) == Part::system || k == q) return true;
    if (part(q) == Part::document) {
      const auto [begin, end] = document_of(q);
      return k >= begin && k < end && section5(begin, end, q, k);
    }
    const bool sink =
        part(k) == Part::document && level(k) < 0 && k - document_of(k).first < gist_.sinks;
    if (part(k) == Part::system || part(k) == Part::link || sink) return true;
    if (part(q) == Part::link) return level(k) >= 0;
    return section5(0, static_cast<std::int64_t>(level_.size()), q, k);
  }

 private:
  int level(std::int64_t t) const { return level_[static_cast<std::size_t>(t)]; }
  Part part(std::int64_t t) const { return part_[static_cast<std::size_t>(t)]; }

  std::pair<std::int64_t, std::int64_t> document_of(std::int64_t t) const {
    std::int64_t begin = t;
    while (begin > 0 && part(begin - 1) == Part::document) --begin;
    std::int64_t end = t;
    while (end < static_cast<std::int64_t>(part_.size()) && part(end) == Part::document) ++end;
    return {begin, end};
  }

  // Section 5 with positions [begin, end) as one document.
  bool section5(std::int64_t begin, std::int64_t end, std::int64_t q, std::int64_t k) const {
    const std::vector<std::int8_t> level(level_.begin() + begin, level_.begin() + end);
    const std::vector<std::int32_t> document(level.size(), 0);
    const Layout row = make_layout(1, end - begin, levels_, level, document);
    return visible(count_row(row, 0, gist_), q - begin, k - begin, gist_, Visibility::gist);
  }

  int levels_;
  GistConfig gist_;
  std::vector<std::int8_t> level_;
  std::vector<Part> part_;
};

}  // namespace unfold::gsa
