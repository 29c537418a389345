// The columns of a block of scores: keys that a tile visits, in whole vectors.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gsa/block_map.h"
#include "gsa/cpu/query_block.h"
#include "gsa/cpu/vector.h"

namespace unfold::gsa::kernels::cpu {

// Bounds the working set, whatever the context length: with kMaxQueries, a block of scores stays in
// the second-level cache.
inline constexpr std::int32_t kMaxColumns = 256;

// Elements between the scores of two queries. Rows a power of two apart would share a few lines of
// the first-level cache.
template <typename A>
inline constexpr std::int64_t kScoreStride = kMaxColumns + Vector<A>::kLanes;

// Keys that lie one behind the other both in gathered order and in the columns of a block. Gathered
// keys come in panels of a vector each, and a segment takes whole panels: the columns before its
// first and behind its last key hold none.
struct KeySegment {
  std::int32_t begin;  // first key, in gathered order
  std::int32_t count;
  std::int32_t column;        // of the first key
  std::int32_t panel_column;  // of the first panel, the one that holds the first key
  std::int32_t panels;
  // Columns that some query of the block does not see, in whole vectors.
  std::int32_t hidden_begin;
  std::int32_t hidden_end;
};

template <typename A>
class KeyColumns {
 public:
  // Goes back to before the first block of a tile.
  void start(const BlockMap& map, std::int64_t row, std::int64_t tile) {
    length_ = map.length();
    order_ = map.order.data() + row * length_;
    row_end_ = map.reach.end.data() + row * map.reach.classes * length_;
    ranges_ = map.tile_ranges(row, tile);
    used_ = 0;
  }

  // Goes on to the next block; false when there are no more keys. queries: of the tile.
  bool next(const QueryBlock& queries) {
    segments_.clear();
    columns_ = 0;
    while (!ranges_.empty() && columns_ < kMaxColumns) {
      const std::int32_t begin = ranges_.front().begin + used_;
      const std::int32_t left = ranges_.front().end - begin;
      const std::int32_t count = std::min(left, kMaxColumns - columns_ - begin % kLanes);
      place(queries, begin, count);
      used_ += count;
      if (count == left) {
        ranges_ = ranges_.subspan(1);
        used_ = 0;
      }
    }
    return columns_ > 0;
  }

  std::span<const KeySegment> segments() const { return segments_; }
  std::int32_t columns() const { return columns_; }

  // Overwrites the scores (columns) of one query with -inf where it does not see the key.
  void hide(const QueryBlock& queries, std::size_t query, A* scores) const {
    using V = typename Vector<A>::Type;
    using Bits = typename Vector<A>::IntegerType;
    const Bits at = Bits{} + Integer{queries.position[query]};
    const V hidden_score = V{} - std::numeric_limits<A>::infinity();
    const Integer* key = position_.data();
    const Integer* end = end_[static_cast<std::size_t>(queries.query_class[query])].data();
    for (const KeySegment& segment : segments_) {
      for (std::int32_t j = segment.hidden_begin; j < segment.hidden_end; j += kLanes) {
        const Bits visible = (at >= *reinterpret_cast<const Bits*>(key + j)) &
                             (at < *reinterpret_cast<const Bits*>(end + j));
        V& score = *reinterpret_cast<V*>(scores + j);
        score = visible ? score : hidden_score;
      }
    }
  }

 private:
  using Integer = typename Vector<A>::Integer;
  static constexpr auto kLanes = static_cast<std::int32_t>(Vector<A>::kLanes);

  // Appends a segment.
  void place(const QueryBlock& queries, std::int32_t begin, std::int32_t count) {
    const std::int32_t panel_column = columns_;
    const std::int32_t column = panel_column + begin % kLanes;
    columns_ = static_cast<std::int32_t>(padded<A>(column + count));
    Integer* position = position_.data();
    std::fill(position + panel_column, position + columns_, std::numeric_limits<Integer>::max());
    for (std::int32_t j = 0; j < count; ++j) position[column + j] = order_[begin + j];
    // The columns without a key are hidden.
    std::int32_t first_hidden = column > panel_column ? panel_column : column + count;
    std::int32_t last_hidden = columns_ > column + count ? columns_ - 1 : column - 1;
    for (const int c : queries.classes) {
      const std::int32_t* row_end = row_end_ + c * length_;
      Integer* end = end_[static_cast<std::size_t>(c)].data();
      for (std::int32_t j = column; j < column + count; ++j) {
        end[j] = row_end[position[j]];
        const bool hidden = (position[j] > queries.first) | (end[j] <= queries.last);
        first_hidden = hidden ? std::min(first_hidden, j) : first_hidden;
        last_hidden = hidden ? std::max(last_hidden, j) : last_hidden;
      }
    }
    segments_.push_back({begin, count, column, panel_column, (columns_ - panel_column) / kLanes,
                         first_hidden / kLanes * kLanes, (last_hidden + kLanes) / kLanes * kLanes});
  }

  const std::int32_t* order_ = nullptr;    // of the row
  const std::int32_t* row_end_ = nullptr;  // (classes, length)
  std::int64_t length_ = 0;
  std::span<const KeyRange> ranges_;  // still to visit
  std::int32_t used_ = 0;             // keys of the first of them that are done

  std::vector<KeySegment> segments_;
  std::int32_t columns_ = 0;
  std::array<Integer, kMaxColumns> position_{};                     // of a column's key in the row
  std::array<std::array<Integer, kMaxColumns>, kMaxLevels> end_{};  // its reach, a query class
};

}  // namespace unfold::gsa::kernels::cpu
