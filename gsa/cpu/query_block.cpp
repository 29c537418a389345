#include "gsa/cpu/query_block.h"

#include <algorithm>

namespace unfold::gsa::kernels::cpu {

bool QueryBlock::take(const BlockMap& map, const AttentionShape& shape, std::int64_t row,
                      std::int64_t kv_head, std::int64_t tile, std::int64_t begin) {
  const std::span<const std::int32_t> queries = map.tile_queries(row, tile);
  const auto tile_queries = static_cast<std::int64_t>(queries.size());
  count = std::min(kMaxQueries, tile_queries * shape.group() - begin);
  if (count <= 0) return false;
  const std::int8_t* row_class = map.reach.query_class.data() + row * map.length();
  std::array<bool, kMaxLevels> occurs{};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t at = queries[static_cast<std::size_t>((begin + i) % tile_queries)];
    const auto slot = static_cast<std::size_t>(i);
    position[slot] = at;
    head[slot] = static_cast<std::int32_t>(kv_head * shape.group() + (begin + i) / tile_queries);
    query_class[slot] = row_class[at];
    occurs[static_cast<std::size_t>(row_class[at])] = true;
  }
  const auto [low, high] = std::minmax_element(position.begin(), position.begin() + count);
  first = *low;
  last = *high;
  classes.clear();
  for (int c = 0; c < map.reach.classes; ++c) {
    if (occurs[static_cast<std::size_t>(c)]) classes.push_back(c);
  }
  return true;
}

}  // namespace unfold::gsa::kernels::cpu
