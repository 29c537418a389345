#include "gsa/visibility.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::gsa {
namespace {

std::int32_t at(const std::vector<std::int32_t>& counts, std::int64_t length, int level,
                std::int64_t t) {
  return counts[static_cast<std::size_t>(level * length + t)];
}

// Section 5 for two positions of one document that has gists, k <= q. sink: whether k is one. All
// counts are compared, so that of any part of a document the same counts will do.
bool visible_by_gists(const VisibilityCounts& counts, std::int64_t q, std::int64_t k,
                      std::int64_t previous, bool sink) {
  const int top = counts.levels - 1;
  const int level_q = counts.level[static_cast<std::size_t>(q)];
  const int level_k = counts.level[static_cast<std::size_t>(k)];
  // C_l(q) - C_l(k) and H_l(q) - H_l(k).
  const auto before = [&](int l) {
    return at(counts.before, counts.length, l, q) - at(counts.before, counts.length, l, k);
  };
  const auto above = [&](int l) {
    return at(counts.above, counts.length, l, q) - at(counts.above, counts.length, l, k);
  };

  const bool a = level_k == top;
  const bool b = level_k >= 0 && level_k < top && above(level_k) == 0;
  const bool c = level_q <= 0 && before(0) <= previous;
  const bool d = level_q >= 1 && level_k == level_q - 1 && before(level_q) == 0;
  const int l = level_k + 1;  // the only level (e) can hold for
  const bool e = l >= 1 && l <= top && level_q <= l && before(l) > 0 && before(l) <= previous;
  return a || b || c || d || e || sink;
}

// Section 8 for two positions of one prompt with links, k <= q.
bool visible_by_links(const VisibilityCounts& counts, std::int64_t q, std::int64_t k,
                      std::int64_t previous) {
  const auto query = static_cast<std::size_t>(q);
  const auto key = static_cast<std::size_t>(k);
  switch (counts.part[query]) {
    case Part::none:
      break;
    case Part::system:
      return true;
    case Part::document:
      return counts.run[query] == counts.run[key] &&
             visible_by_gists(counts, q, k, previous, counts.run_sink[key] != 0);
    case Part::link:
      return counts.anchor[key] != 0 || counts.level[key] >= 0;
    case Part::suffix:
      return counts.anchor[key] != 0 || counts.has_gist[query] == 0 ||
             visible_by_gists(counts, q, k, previous, counts.sink[key] != 0);
  }
  return false;
}

void count_parts(const Layout& layout, std::int64_t row, const std::vector<DocumentSpan>& documents,
                 const GistConfig& config, VisibilityCounts& counts) {
  const auto length = static_cast<std::size_t>(layout.length);
  const auto row_begin = static_cast<std::ptrdiff_t>(row * layout.length);
  counts.part.assign(layout.part.begin() + row_begin,
                     layout.part.begin() + row_begin + layout.length);
  counts.run.assign(length, 0);
  counts.anchor.assign(length, 0);
  counts.run_sink.assign(length, 0);
  for (const DocumentSpan& document : documents) {
    for (const PartRun& run : part_runs(layout, row, document)) {
      for (std::int32_t position = run.begin; position < run.end; ++position) {
        const auto t = static_cast<std::size_t>(position);
        counts.run[t] = run.begin;
        counts.anchor[t] = is_anchor(run, position, counts.level[t], config.sinks) ? 1 : 0;
        counts.run_sink[t] = position - run.begin < config.sinks ? 1 : 0;
      }
    }
  }
}

}  // namespace

VisibilityCounts count_row(const Layout& layout, std::int64_t row, const GistConfig& config) {
  const std::vector<DocumentSpan> documents = document_spans(layout, row);
  const auto length = static_cast<std::size_t>(layout.length);
  const auto levels = static_cast<std::size_t>(layout.levels);
  const auto row_begin = static_cast<std::ptrdiff_t>(row * layout.length);

  VisibilityCounts counts;
  counts.levels = layout.levels;
  counts.length = layout.length;
  counts.level.assign(layout.level.begin() + row_begin,
                      layout.level.begin() + row_begin + layout.length);
  counts.document.assign(layout.document.begin() + row_begin,
                         layout.document.begin() + row_begin + layout.length);
  counts.before.assign(levels * length, 0);
  counts.above.assign(levels * length, 0);
  counts.sink.assign(length, 0);
  counts.has_gist.assign(length, 0);

  for (const DocumentSpan& document : documents) {
    std::vector<std::int32_t> seen(levels, 0);  // level-l gists so far
    for (auto t = static_cast<std::size_t>(document.begin);
         t < static_cast<std::size_t>(document.end); ++t) {
      counts.sink[t] = static_cast<std::int64_t>(t) - document.begin < config.sinks ? 1 : 0;
      counts.has_gist[t] = document.has_gist ? 1 : 0;
      for (std::size_t l = 0; l < levels; ++l) counts.before[l * length + t] = seen[l];
      if (counts.level[t] >= 0) ++seen[static_cast<std::size_t>(counts.level[t])];
      std::int32_t higher = 0;
      for (std::size_t l = levels; l-- > 0;) {
        counts.above[l * length + t] = higher;
        higher += seen[l];
      }
    }
  }
  if (!layout.part.empty()) count_parts(layout, row, documents, config, counts);
  return counts;
}

bool visible(const VisibilityCounts& counts, std::int64_t q, std::int64_t k,
             const GistConfig& config, Visibility visibility) {
  core::check(q >= 0 && q < counts.length && k >= 0 && k < counts.length, "visibility",
              "query {} and key {} in a row of {}", q, k, counts.length);
  if (k > q) return false;
  if (k == q) return true;  // every rule lets a token see itself
  const auto query = static_cast<std::size_t>(q);
  const auto key = static_cast<std::size_t>(k);
  if (counts.document[query] < 0 || counts.document[query] != counts.document[key]) return false;
  switch (visibility) {
    case Visibility::causal:
      return true;
    case Visibility::full:
      return counts.level[key] < 0;
    case Visibility::gist:
      if (!counts.part.empty() && counts.part[query] != Part::none) {
        return visible_by_links(counts, q, k, config.previous_chunks);
      }
      return counts.has_gist[query] == 0 ||
             visible_by_gists(counts, q, k, config.previous_chunks, counts.sink[key] != 0);
  }
  return false;
}

}  // namespace unfold::gsa
