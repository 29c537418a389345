#include "gsa/kernels/attention.h"

#include <limits>

#include "core/parallel.h"
#include "gsa/cpu/attention_tile.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Buffers of one thread, reused from tile to tile.
template <typename A>
struct Workspace {
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> ends;
  RowMatrix<A> query, key, value, scores, keep, out;
  std::vector<A> largest, total;
};

// Attends one tile; `out` gets the unnormalised sums, `largest` and `total` the softmax statistics.
template <typename T, typename A>
void attend_tile(const T* qkv, const AttentionShape& shape, const BlockMap& map,
                 const TileIndex& tile, std::int64_t tile_number, Workspace<A>& work) {
  const std::int64_t stride = shape.qkv_width();
  const T* row = qkv + tile.row * map.length() * stride;
  const T* keys = row + (shape.heads + tile.kv_head) * shape.width;
  const T* values = keys + shape.kv_heads * shape.width;
  const std::int64_t stacked = shape.group() * tile.queries;
  gather_heads(row, stride, shape, tile, A(1) / std::sqrt(A(shape.width)), work.query);
  work.out.setZero(stacked, shape.width);
  work.largest.assign(static_cast<std::size_t>(stacked), -std::numeric_limits<A>::infinity());
  work.total.assign(static_cast<std::size_t>(stacked), A(0));
  KeyBlocks blocks(map, tile.row, tile_number);
  while (blocks.next(work.positions)) {
    gather_section(keys, stride, work.positions, shape.width, work.key);
    gather_section(values, stride, work.positions, shape.width, work.value);
    const bool masked = mark_visible(map, tile, work.positions, work.ends, work.keep);
    work.scores.noalias() = work.query * work.key.transpose();
    for (std::int64_t r = 0; r < stacked; ++r) {
      auto score = work.scores.row(r).array();
      A& largest = work.largest[static_cast<std::size_t>(r)];
      A& total = work.total[static_cast<std::size_t>(r)];
      A block_largest;
      if (masked) {
        // Hidden scores become -inf for the maximum; their weight is set to exactly 0 below.
        const auto keep = work.keep.row(r % tile.queries).array();
        score = (keep > A(0)).select(score, -std::numeric_limits<A>::infinity());
        block_largest = score.maxCoeff();
        if (block_largest == -std::numeric_limits<A>::infinity()) {
          score.setZero();
          continue;
        }
      } else {
        block_largest = score.maxCoeff();
      }
      const A next = std::max(largest, block_largest);
      const A rescale = std::exp(largest - next);
      if (masked) {
        score = (score - next).exp() * work.keep.row(r % tile.queries).array();
      } else {
        score = (score - next).exp();
      }
      total = total * rescale + score.sum();
      largest = next;
      if (rescale != A(1)) work.out.row(r) *= rescale;
    }
    work.out.noalias() += work.scores * work.value;
  }
}

}  // namespace

void attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
               const Tensor& out, const Tensor& lse) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t tiles = map.rows() * shape.kv_heads * map.tiles_per_row;
    core::parallel_for(tiles, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<A> work;
      for (std::int64_t index = begin; index < end; ++index) {
        const std::int64_t number = index % map.tiles_per_row;
        const std::int64_t first = number * map.query_tile;
        const TileIndex tile = {index / map.tiles_per_row / shape.kv_heads,
                                index / map.tiles_per_row % shape.kv_heads, first,
                                std::min(map.query_tile, map.length() - first)};
        attend_tile(qkv.data<T>(), shape, map, tile, number, work);
        A* tile_lse = lse.data<A>() + (tile.row * map.length() + first) * shape.heads;
        for (std::int64_t r = 0; r < work.out.rows(); ++r) {
          const A total = work.total[static_cast<std::size_t>(r)];
          work.out.row(r) /= total;
          const std::int64_t head = tile.kv_head * shape.group() + r / tile.queries;
          tile_lse[r % tile.queries * shape.heads + head] =
              work.largest[static_cast<std::size_t>(r)] + std::log(total);
        }
        T* row_out = out.data<T>() + tile.row * map.length() * shape.out_width();
        scatter_heads(work.out, shape.out_width(), shape, tile, row_out);
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
