// Pivots: what a query is scored against, by gist. Computed once a layer.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/random.h"
#include "gsa/chunk_table.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/lane_product.h"
#include "gsa/selection.h"

namespace unfold::gsa::kernels::cpu {

// The raw tokens gist j of a level covers, through all levels below: [first, last) of document.raw.
// With links, documents end in a gist of every level: they are of one document.
inline std::pair<std::int32_t, std::int32_t> covered_raw(const DocumentChunks& document,
                                                         std::size_t level, std::int64_t j) {
  auto first = static_cast<std::int32_t>(j);
  auto last = first + 1;
  for (std::size_t l = level; l > 0; --l) {
    first = document.levels[l].first_child[static_cast<std::size_t>(first)];
    last = document.levels[l].first_child[static_cast<std::size_t>(last)];
  }
  return {document.chunk_begin[static_cast<std::size_t>(first)],
          document.levels[0].first_child[static_cast<std::size_t>(last)]};
}

// Pivot vectors of one document and key/value head, level by level. A score is a dot product:
//   gist, mean_pool   q . pivot
//   quest             sum over d of max(q_d lo_d, q_d hi_d) = (q+, q-) . (hi, lo), with q+ the
//                     positive elements of q and q- the negative ones
template <typename A>
class Pivots {
 public:
  // keys: the head's key at row position 0; stride: elements between positions.
  template <typename T>
  Pivots(const T* keys, std::int64_t stride, std::int64_t width, const DocumentChunks& document,
         Pivot pivot)
      : width_(pivot == Pivot::quest ? 2 * width : width), levels_(document.levels.size()) {
    const auto raw_key = [&](std::int32_t i) {
      return keys + document.raw[static_cast<std::size_t>(i)] * stride;
    };
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const std::vector<std::int32_t>& gists = document.levels[level].gist;
      const auto count = static_cast<std::int64_t>(gists.size());
      switch (pivot) {
        case Pivot::gist:
          levels_[level].gather(keys, stride, gists.data(), count, width);
          break;
        case Pivot::mean_pool:
          levels_[level].make(count, width, [&](std::int64_t j, A* mean) {
            const auto [first, last] = covered_raw(document, level, j);
            for (std::int32_t i = first; i < last; ++i) {
              for (std::int64_t d = 0; d < width; ++d) mean[d] += static_cast<A>(raw_key(i)[d]);
            }
            const A share = A(1) / static_cast<A>(std::max(1, last - first));
            for (std::int64_t d = 0; d < width; ++d) mean[d] *= share;
          });
          break;
        case Pivot::quest:
          levels_[level].make(count, 2 * width, [&](std::int64_t j, A* high) {
            const auto [first, last] = covered_raw(document, level, j);
            A* low = high + width;
            for (std::int32_t i = first; i < last; ++i) {
              for (std::int64_t d = 0; d < width; ++d) {
                const A key = static_cast<A>(raw_key(i)[d]);
                high[d] = i == first ? key : std::max(high[d], key);
                low[d] = i == first ? key : std::min(low[d], key);
              }
            }
          });
          break;
        case Pivot::random:
          return;
      }
    }
    // Only top-level gists are scored all at once.
    const auto tops = static_cast<std::int64_t>(document.levels.back().gist.size());
    levels_.back().transpose(tops, width_);
  }

  std::int64_t width() const { return width_; }

  // scores (rows, between): queries (rows, padded width) against the first `count` top-level
  // pivots, rounded up to whole vectors.
  void score_tops(const A* queries, std::int64_t rows, std::int64_t count, A* scores,
                  std::int64_t between) const {
    multiply<A>({queries, padded<A>(width_), 1}, levels_.back().panels(0), rows, width_,
                padded<A>(count) / Vector<A>::kLanes, false, {scores, between});
  }

  // One query against pivot j of a level.
  A score(const A* query, std::size_t level, std::int32_t j) const {
    using V = typename Vector<A>::Type;
    const A* pivot = levels_[level].rows(j).data;
    V sum = {};
    for (std::int64_t d = 0; d < padded<A>(width_); d += Vector<A>::kLanes) {
      sum += *reinterpret_cast<const V*>(query + d) * *reinterpret_cast<const V*>(pivot + d);
    }
    return reduce<A>(sum, [](A a, A b) { return a + b; });
  }

 private:
  std::int64_t width_;
  std::vector<GatheredRows<A>> levels_;
};

// A query head as pivots of width `pivots` take it: out has padded<A>(pivots) elements.
template <typename T, typename A>
void load_pivot_query(const T* query, std::int64_t width, Pivot pivot, A* out) {
  for (std::int64_t d = 0; d < width; ++d) {
    const A value = static_cast<A>(query[d]);
    if (pivot == Pivot::quest) {
      out[d] = std::max(value, A(0));
      out[width + d] = std::min(value, A(0));
    } else {
      out[d] = value;
    }
  }
}

// Score of Pivot::random: 24 bits, exact in every dtype. token: index of the query in the batch of
// rows, so that the number depends on nothing else.
inline double random_score(std::uint64_t seed, std::int64_t token, std::int64_t heads,
                           std::int64_t head, std::size_t level, std::int32_t j) {
  const auto stream = static_cast<std::uint64_t>(token * heads + head) * 64 + level;
  const std::uint32_t bits = core::philox(seed, stream, static_cast<std::uint64_t>(j))[0];
  return static_cast<double>(bits >> 8) * 0x1.0p-24;
}

}  // namespace unfold::gsa::kernels::cpu
