#include "gsa/cpu/attention_blocks.h"

#include <limits>

namespace unfold::gsa::kernels::cpu {

bool QueryBlock::take(const BlockMap& map, const AttentionShape& shape, std::int64_t row,
                      std::int64_t kv_head, std::int64_t tile, std::int64_t begin) {
  const std::int64_t tile_first = tile * map.query_tile;
  const std::int64_t tile_queries = std::min(map.query_tile, map.length() - tile_first);
  count = std::min(kMaxQueries, tile_queries * shape.group() - begin);
  if (count <= 0) return false;
  const std::int8_t* row_class = map.reach.query_class.data() + row * map.length();
  std::array<bool, kMaxLevels> occurs{};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = tile_first + (begin + i) % tile_queries;
    const auto slot = static_cast<std::size_t>(i);
    position[slot] = static_cast<std::int32_t>(at);
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

KeyColumns::KeyColumns(const BlockMap& map, std::int64_t row, std::int64_t tile, std::int64_t lanes)
    : reach_(map.reach),
      order_(map.order.data() + row * map.length()),
      row_end_(map.reach.end.data() + row * map.reach.classes * map.length()),
      ranges_(map.tile_ranges(row, tile)),
      lanes_(lanes) {}

bool KeyColumns::next(const QueryBlock& queries) {
  segments_.clear();
  columns_ = 0;
  while (!ranges_.empty() && columns_ < kMaxColumns) {
    const std::int32_t begin = ranges_.front().begin + used_;
    const std::int32_t left = ranges_.front().end - begin;
    const auto count =
        static_cast<std::int32_t>(std::min<std::int64_t>(left, kMaxColumns - columns_));
    place(queries, begin, count);
    used_ += count;
    if (count == left) {
      ranges_ = ranges_.subspan(1);
      used_ = 0;
    }
  }
  return columns_ > 0;
}

void KeyColumns::place(const QueryBlock& queries, std::int32_t begin, std::int32_t count) {
  const auto column = static_cast<std::int32_t>(columns_);
  columns_ = (column + count + lanes_ - 1) / lanes_ * lanes_;
  const auto columns = static_cast<std::int32_t>(columns_);
  for (std::int32_t j = 0; j < count; ++j) {
    position_[static_cast<std::size_t>(column + j)] = order_[begin + j];
  }
  for (std::int32_t j = column + count; j < columns; ++j) {
    position_[static_cast<std::size_t>(j)] = std::numeric_limits<std::int32_t>::max();
  }
  KeySegment segment = {begin, count, column, columns, columns};
  if (column + count < columns) segment.hidden_begin = column + count;
  std::int32_t last_hidden = column - 1;
  const auto mark_hidden = [&](std::int32_t j) {
    segment.hidden_begin = std::min(segment.hidden_begin, j);
    last_hidden = std::max(last_hidden, j);
  };
  for (const int c : queries.classes) {
    const std::int32_t* row_end = row_end_ + c * reach_.length;
    auto& end = end_[static_cast<std::size_t>(c)];
    for (std::int32_t j = column; j < column + count; ++j) {
      const std::int32_t key = position_[static_cast<std::size_t>(j)];
      end[static_cast<std::size_t>(j)] = row_end[key];
      if (key > queries.first || row_end[key] <= queries.last) mark_hidden(j);
    }
  }
  if (column + count == columns) segment.hidden_end = last_hidden + 1;
  segments_.push_back(segment);
}

}  // namespace unfold::gsa::kernels::cpu
