// Pivots: what a query is scored against, by gist. Computed once a layer.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "core/cpu/scalar.h"
#include "core/random.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"
#include "gsa/selection.h"

namespace unfold::gsa::kernels::cpu {

// Pivot vectors of one document and key/value head, level by level.
template <typename A>
class Pivots {
 public:
  // keys: first element of the head's key at row position 0; stride: elements between positions.
  template <typename T>
  Pivots(const T* keys, std::int64_t stride, std::int64_t width, const DocumentChunks& document,
         const SelectionConfig& config)
      : width_(width), config_(config) {
    for (std::size_t level = 0; level < document.levels.size(); ++level) {
      switch (config.pivot) {
        case Pivot::gist: gather(keys, stride, document.levels[level].gist); break;
        case Pivot::mean_pool: pool(keys, stride, document, level); break;
        case Pivot::quest: bound(keys, stride, document, level); break;
        case Pivot::random: low_.emplace_back(); break;
      }
    }
  }

  // Score of gist j of a level for one query head. query_key: a number for (query, head), which only
  // random pivots look at.
  A score(const A* query, std::uint64_t query_key, std::size_t level, std::int32_t j) const {
    if (config_.pivot == Pivot::random) {
      return static_cast<A>(core::philox(config_.seed, query_key * 64 + level,
                                         static_cast<std::uint64_t>(j))[0]);
    }
    const A* low = low_[level].data() + j * width_;
    A sum = 0;
    if (config_.pivot == Pivot::quest) {
      const A* high = high_[level].data() + j * width_;
      for (std::int64_t d = 0; d < width_; ++d) {
        sum += std::max(query[d] * low[d], query[d] * high[d]);
      }
      return sum;
    }
    for (std::int64_t d = 0; d < width_; ++d) sum += query[d] * low[d];
    return sum;
  }

 private:
  template <typename T>
  void gather(const T* keys, std::int64_t stride, const std::vector<std::int32_t>& positions) {
    std::vector<A> rows;
    rows.reserve(positions.size() * static_cast<std::size_t>(width_));
    for (const std::int32_t position : positions) {
      const T* key = keys + position * stride;
      for (std::int64_t d = 0; d < width_; ++d) rows.push_back(static_cast<A>(key[d]));
    }
    low_.push_back(std::move(rows));
  }

  // The raw tokens gist j of a level covers, through all levels below: [first, last) of document.raw.
  static std::pair<std::int32_t, std::int32_t> covered(const DocumentChunks& document,
                                                       std::size_t level, std::size_t j) {
    auto first = static_cast<std::int32_t>(j);
    auto last = first + 1;
    for (std::size_t l = level + 1; l-- > 0;) {
      first = document.levels[l].first_child[static_cast<std::size_t>(first)];
      last = document.levels[l].first_child[static_cast<std::size_t>(last)];
    }
    return {first, last};
  }

  template <typename T>
  void pool(const T* keys, std::int64_t stride, const DocumentChunks& document,
            std::size_t level) {
    const std::size_t count = document.levels[level].gist.size();
    std::vector<A> rows(count * static_cast<std::size_t>(width_), A(0));
    for (std::size_t j = 0; j < count; ++j) {
      const auto [first, last] = covered(document, level, j);
      A* row = rows.data() + static_cast<std::int64_t>(j) * width_;
      for (std::int32_t i = first; i < last; ++i) {
        const T* key = keys + document.raw[static_cast<std::size_t>(i)] * stride;
        for (std::int64_t d = 0; d < width_; ++d) row[d] += static_cast<A>(key[d]);
      }
      for (std::int64_t d = 0; d < width_ && last > first; ++d) row[d] /= static_cast<A>(last - first);
    }
    low_.push_back(std::move(rows));
  }

  template <typename T>
  void bound(const T* keys, std::int64_t stride, const DocumentChunks& document,
             std::size_t level) {
    const std::size_t count = document.levels[level].gist.size();
    const std::size_t size = count * static_cast<std::size_t>(width_);
    std::vector<A> low(size, std::numeric_limits<A>::max());
    std::vector<A> high(size, std::numeric_limits<A>::lowest());
    for (std::size_t j = 0; j < count; ++j) {
      const auto [first, last] = covered(document, level, j);
      for (std::int32_t i = first; i < last; ++i) {
        const T* key = keys + document.raw[static_cast<std::size_t>(i)] * stride;
        for (std::int64_t d = 0; d < width_; ++d) {
          const std::size_t at = j * static_cast<std::size_t>(width_) + static_cast<std::size_t>(d);
          low[at] = std::min(low[at], static_cast<A>(key[d]));
          high[at] = std::max(high[at], static_cast<A>(key[d]));
        }
      }
    }
    low_.push_back(std::move(low));
    high_.push_back(std::move(high));
  }

  std::int64_t width_;
  const SelectionConfig& config_;
  std::vector<std::vector<A>> low_;   // a level: (gists, width) keys, means or lower bounds
  std::vector<std::vector<A>> high_;  // quest: upper bounds
};

}  // namespace unfold::gsa::kernels::cpu
