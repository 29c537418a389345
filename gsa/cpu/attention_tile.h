// What the CPU attention kernels share: gathering a tile of queries and the keys it visits, and
// marking which pairs are visible.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/cpu/scalar.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cpu {

template <typename A>
using RowMatrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Keys gathered at a time: bounds the working set, whatever the context length.
inline constexpr std::int64_t kKeyBlock = 512;

// One tile: `queries` consecutive positions of a row, all heads of one key/value head, stacked
// head by head: matrix row r is head r / queries, position first + r % queries.
struct TileIndex {
  std::int64_t row;  // of the batch
  std::int64_t kv_head;
  std::int64_t first;  // first query position
  std::int64_t queries;
};

// Key positions of a tile, block by block, in range order.
class KeyBlocks {
 public:
  KeyBlocks(const BlockMap& map, std::int64_t row, std::int64_t tile)
      : order_(map.order.data() + row * map.length()), ranges_(map.tile_ranges(row, tile)) {}

  // The next at most kKeyBlock positions; false when there are no more.
  bool next(std::vector<std::int32_t>& positions) {
    positions.clear();
    while (range_ < ranges_.size() && static_cast<std::int64_t>(positions.size()) < kKeyBlock) {
      const KeyRange& range = ranges_[range_];
      const std::int64_t begin = range.begin + used_;
      const std::int64_t room = kKeyBlock - static_cast<std::int64_t>(positions.size());
      const std::int64_t count = std::min<std::int64_t>(range.end - begin, room);
      positions.insert(positions.end(), order_ + begin, order_ + begin + count);
      used_ += count;
      if (begin + count == range.end) {
        ++range_;
        used_ = 0;
      }
    }
    return !positions.empty();
  }

 private:
  const std::int32_t* order_;
  std::span<const KeyRange> ranges_;
  std::size_t range_ = 0;
  std::int64_t used_ = 0;
};

// keep(i, j) = 1 where query first + i sees key positions[j], else 0. Returns false when all are 1.
template <typename A>
bool mark_visible(const BlockMap& map, const TileIndex& tile,
                  const std::vector<std::int32_t>& positions, std::vector<std::int32_t>& ends,
                  RowMatrix<A>& keep) {
  const auto count = static_cast<std::int64_t>(positions.size());
  const Reach& reach = map.reach;
  const auto row_end = [&](int query_class) {
    return reach.end.data() + (tile.row * reach.classes + query_class) * reach.length;
  };
  const std::int8_t* classes = reach.query_class.data() + tile.row * reach.length + tile.first;
  const std::int64_t last = tile.first + tile.queries - 1;
  bool partial = false;
  for (int query_class = 0; query_class < reach.classes && !partial; ++query_class) {
    if (std::find(classes, classes + tile.queries, query_class) == classes + tile.queries) continue;
    const std::int32_t* end = row_end(query_class);
    for (std::int64_t j = 0; j < count && !partial; ++j) {
      const std::int32_t key = positions[static_cast<std::size_t>(j)];
      partial = key > tile.first || end[key] <= last;
    }
  }
  if (!partial) return false;
  keep.resize(tile.queries, count);
  ends.resize(static_cast<std::size_t>(count));
  for (int query_class = 0; query_class < reach.classes; ++query_class) {
    const std::int32_t* end = row_end(query_class);
    bool gathered = false;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      if (classes[i] != query_class) continue;
      if (!gathered) {
        for (std::int64_t j = 0; j < count; ++j) {
          ends[static_cast<std::size_t>(j)] = end[positions[static_cast<std::size_t>(j)]];
        }
        gathered = true;
      }
      const auto query = static_cast<std::int32_t>(tile.first + i);
      const std::int32_t* key = positions.data();
      const std::int32_t* key_end = ends.data();
      A* out = keep.data() + i * count;
      for (std::int64_t j = 0; j < count; ++j) {
        out[j] = static_cast<A>((key[j] <= query) & (query < key_end[j]));
      }
    }
  }
  return true;
}

// Copies `rows` of a (length, stride) section into a dense matrix, multiplied by scale.
template <typename T, typename A>
void gather_section(const T* section, std::int64_t stride, const std::vector<std::int32_t>& rows,
                    std::int64_t width, RowMatrix<A>& out) {
  out.resize(static_cast<std::int64_t>(rows.size()), width);
  for (std::size_t j = 0; j < rows.size(); ++j) {
    const T* in = section + rows[j] * stride;
    A* to = out.data() + static_cast<std::int64_t>(j) * width;
    for (std::int64_t d = 0; d < width; ++d) to[d] = static_cast<A>(in[d]);
  }
}

// Stacks the tile's heads of a (length, stride) section (queries, outputs or their gradients).
template <typename T, typename A>
void gather_heads(const T* section, std::int64_t stride, const AttentionShape& shape,
                  const TileIndex& tile, A scale, RowMatrix<A>& out) {
  out.resize(shape.group() * tile.queries, shape.width);
  for (std::int64_t h = 0; h < shape.group(); ++h) {
    const std::int64_t head = tile.kv_head * shape.group() + h;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      const T* in = section + (tile.first + i) * stride + head * shape.width;
      A* to = out.data() + (h * tile.queries + i) * shape.width;
      for (std::int64_t d = 0; d < shape.width; ++d) to[d] = scale * static_cast<A>(in[d]);
    }
  }
}

// The inverse of gather_heads, rounding to T.
template <typename T, typename A>
void scatter_heads(const RowMatrix<A>& in, std::int64_t stride, const AttentionShape& shape,
                   const TileIndex& tile, T* section) {
  for (std::int64_t h = 0; h < shape.group(); ++h) {
    const std::int64_t head = tile.kv_head * shape.group() + h;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      const A* from = in.data() + (h * tile.queries + i) * shape.width;
      T* out = section + (tile.first + i) * stride + head * shape.width;
      for (std::int64_t d = 0; d < shape.width; ++d) out[d] = T(from[d]);
    }
  }
}

}  // namespace unfold::gsa::kernels::cpu
