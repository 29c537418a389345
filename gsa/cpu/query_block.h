// The rows of a block of scores: some queries of a tile.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cpu {

inline constexpr std::int64_t kMaxQueries = 64;

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

}  // namespace unfold::gsa::kernels::cpu
