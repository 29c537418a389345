#include "gsa/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace unfold::gsa {

SelectionConfig for_gists(SelectionConfig selection, const GistConfig& gist) {
  selection.chunk = gist.chunks.empty() ? 1 : gist.chunks.front();
  selection.rho = gist.ratio();
  return selection;
}

std::int64_t pick_count(const SelectionConfig& config, std::int64_t entries, std::int64_t n_rep,
                        std::int64_t gists, std::int64_t mass) {
  std::int64_t count = 0;
  switch (config.budget) {
    case Budget::paper:
      count = entries / config.rho / n_rep / config.chunk + 1;
      break;
    case Budget::ratio: {
      const auto kept = static_cast<std::int64_t>(static_cast<double>(entries) / config.ratio);
      count = kept / n_rep / config.chunk + 1;
      break;
    }
    case Budget::fixed:
      count = config.chunks;
      break;
    case Budget::top_p:
      count = mass;
      break;
  }
  if (config.quarter_cap) count = std::min(count, std::max<std::int64_t>(1, gists / 4));
  count = std::min(count, gists);
  if (config.anneal == 0) return count;
  const auto relief = config.anneal * static_cast<double>(gists - count);
  return count + static_cast<std::int64_t>(std::llround(relief));
}

std::span<const std::int32_t> Selection::of(std::int64_t query, std::int64_t kv_head,
                                            int level) const {
  const auto at = static_cast<std::size_t>((query * kv_heads + kv_head) * levels + level);
  core::check(level >= 0 && level < levels && at + 1 < offsets.size(), "selection",
              "query {} head {} level {}", query, kv_head, level);
  const auto begin = static_cast<std::size_t>(offsets[at]);
  return std::span(picks).subspan(begin, static_cast<std::size_t>(offsets[at + 1]) - begin);
}

std::vector<std::int32_t> top_indices(std::span<const double> values, std::int64_t count) {
  std::vector<std::int32_t> indices;
  top_indices(values, count, indices);
  return indices;
}

void top_indices(std::span<const double> values, std::int64_t count,
                 std::vector<std::int32_t>& indices) {
  indices.resize(values.size());
  std::iota(indices.begin(), indices.end(), 0);
  const auto better = [&](std::int32_t a, std::int32_t b) {
    const double left = values[static_cast<std::size_t>(a)];
    const double right = values[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  };
  if (count >= static_cast<std::int64_t>(indices.size())) return;
  std::nth_element(indices.begin(), indices.begin() + count, indices.end(), better);
  indices.resize(static_cast<std::size_t>(count));
  std::sort(indices.begin(), indices.end());
}

std::int64_t count_for_mass(std::vector<double> scores, double scale, double top_p) {
  if (scores.empty()) return 0;
  std::sort(scores.begin(), scores.end(), std::greater<>());
  double total = 0;
  for (const double score : scores) total += std::exp((score - scores[0]) * scale);
  double mass = 0;
  std::int64_t count = 0;
  for (const double score : scores) {
    if (count > 0 && mass >= top_p * total) break;
    mass += std::exp((score - scores[0]) * scale);
    ++count;
  }
  return count;
}

}  // namespace unfold::gsa
