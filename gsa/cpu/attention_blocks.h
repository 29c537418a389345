// How the CPU attention kernels cut their work: scores are made block by block, a block being some
// queries of a tile (rows) times some of the keys the tile visits (columns).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cpu {

// Bounds of a block, whatever the context length: its scores stay in the second-level cache.
inline constexpr std::int64_t kMaxQueries = 64;
inline constexpr std::int64_t kMaxColumns = 256;

// Queries of one tile with the heads of one key/value head. The tile's queries are stacked head by
// head, and a block takes some of the stack.
struct QueryBlock {
  std::int64_t count = 0;
  std::int32_t first = 0;    // lowest position in the row
  std::int32_t last = 0;     // highest
  std::vector<int> classes;  // query classes (gsa/reach.h) that occur
  std::array<std::int32_t, kMaxQueries> position{};
  std::array<std::int32_t, kMaxQueries> head{};
  std::array<std::int8_t, kMaxQueries> query_class{};

  // Takes queries begin, begin + 1, ... of the stack of a tile; false when there are none.
  bool take(const BlockMap& map, const AttentionShape& shape, std::int64_t row,
            std::int64_t kv_head, std::int64_t tile, std::int64_t begin);
};

// Keys that lie one behind the other both in gathered order and in the columns of a block.
struct KeySegment {
  std::int32_t begin;   // in gathered order
  std::int32_t count;
  std::int32_t column;  // of the first key, a multiple of a vector's lanes
  // The columns, counted from 0, that some query of the block does not see.
  std::int32_t hidden_begin;
  std::int32_t hidden_end;
};

// The columns of one block. Columns between segments, which fill vectors up, hold no key and are
// hidden from all queries.
class KeyColumns {
 public:
  // Starts at the first key of the tile that the queries belong to. lanes: elements of a vector.
  KeyColumns(const BlockMap& map, std::int64_t row, std::int64_t tile, std::int64_t lanes);

  // Goes on to the next block; false when there are no more keys.
  bool next(const QueryBlock& queries);

  std::span<const KeySegment> segments() const { return segments_; }
  std::int64_t columns() const { return columns_; }

  // Overwrites the scores of one query (columns) where it does not see the key.
  template <typename A>
  void hide(const QueryBlock& queries, std::int64_t query, A value, A* scores) const {
    const std::int32_t at = queries.position[static_cast<std::size_t>(query)];
    const auto query_class = static_cast<std::size_t>(queries.query_class[static_cast<std::size_t>(query)]);
    const std::int32_t* key = position_.data();
    const std::int32_t* end = end_[query_class].data();
    for (const KeySegment& segment : segments_) {
      for (std::int32_t j = segment.hidden_begin; j < segment.hidden_end; ++j) {
        const bool hidden = (at < key[j]) | (at >= end[j]);
        scores[j] = hidden ? value : scores[j];
      }
    }
  }

 private:
  void place(const QueryBlock& queries, std::int32_t begin, std::int32_t count);

  const Reach& reach_;
  const std::int32_t* order_;         // of the row
  const std::int32_t* row_end_;       // (classes, length)
  std::span<const KeyRange> ranges_;  // still to visit
  std::int32_t used_ = 0;             // keys of the first of them that are done
  std::int64_t lanes_;

  std::vector<KeySegment> segments_;
  std::int64_t columns_ = 0;
  std::array<std::int32_t, kMaxColumns> position_{};  // of a column's key in the row
  std::array<std::array<std::int32_t, kMaxColumns>, kMaxLevels> end_{};  // its reach, a query class
};

}  // namespace unfold::gsa::kernels::cpu
