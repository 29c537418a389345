#include "core/parallel.h"
#include "gsa/cpu/attention_tile.h"
#include "gsa/kernels/attention.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

template <typename A>
struct Workspace {
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> ends;
  RowMatrix<A> query, key, value, dout, out, keep, weights, dscores, dquery, dkey, dvalue;
  RowMatrix<A> key_total, value_total;  // (length, width): gradients of one row and key/value head
  std::vector<A> delta;
};

template <typename A>
void add_rows(const RowMatrix<A>& from, const std::vector<std::int32_t>& rows, RowMatrix<A>& to) {
  for (std::size_t j = 0; j < rows.size(); ++j) {
    to.row(rows[j]) += from.row(static_cast<std::int64_t>(j));
  }
}

// With P = exp(S - lse) and delta = rowsum(dO * O):  dV = P^T dO,  dS = P * (dO V^T - delta),
// dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)  (FlashAttention-2, Dao 2023, section 3.1).
template <typename T, typename A>
void backward_tile(const T* qkv, const T* dout, const T* out, const A* lse,
                   const AttentionShape& shape, const BlockMap& map, const TileIndex& tile,
                   std::int64_t tile_number, T* dqkv, Workspace<A>& work) {
  const std::int64_t stride = shape.qkv_width();
  const T* keys = qkv + (shape.heads + tile.kv_head) * shape.width;
  const T* values = keys + shape.kv_heads * shape.width;
  const std::int64_t stacked = shape.group() * tile.queries;
  const A scale = A(1) / std::sqrt(A(shape.width));
  gather_heads(qkv, stride, shape, tile, scale, work.query);
  gather_heads(dout, shape.out_width(), shape, tile, A(1), work.dout);
  gather_heads(out, shape.out_width(), shape, tile, A(1), work.out);
  work.delta.resize(static_cast<std::size_t>(stacked));
  for (std::int64_t r = 0; r < stacked; ++r) {
    work.delta[static_cast<std::size_t>(r)] = work.dout.row(r).dot(work.out.row(r));
  }
  work.dquery.setZero(stacked, shape.width);
  KeyBlocks blocks(map, tile.row, tile_number);
  while (blocks.next(work.positions)) {
    gather_section(keys, stride, work.positions, shape.width, work.key);
    gather_section(values, stride, work.positions, shape.width, work.value);
    const bool masked = mark_visible(map, tile, work.positions, work.ends, work.keep);
    work.weights.noalias() = work.query * work.key.transpose();
    work.dscores.noalias() = work.dout * work.value.transpose();
    for (std::int64_t r = 0; r < stacked; ++r) {
      const std::int64_t head = tile.kv_head * shape.group() + r / tile.queries;
      const A row_lse = lse[(tile.first + r % tile.queries) * shape.heads + head];
      auto weight = work.weights.row(r).array();
      if (masked) {
        const auto keep = work.keep.row(r % tile.queries).array();
        // A hidden score can be far above the log-sum-exp: cap it before it overflows.
        weight = (weight - row_lse).min(A(0)).exp() * keep;
      } else {
        weight = (weight - row_lse).exp();
      }
      auto dscore = work.dscores.row(r).array();
      dscore = weight * (dscore - work.delta[static_cast<std::size_t>(r)]);
    }
    work.dquery.noalias() += work.dscores * work.key;
    work.dkey.noalias() = work.dscores.transpose() * work.query;
    work.dvalue.noalias() = work.weights.transpose() * work.dout;
    add_rows(work.dkey, work.positions, work.key_total);
    add_rows(work.dvalue, work.positions, work.value_total);
  }
  work.dquery *= scale;
  scatter_heads(work.dquery, stride, shape, tile, dqkv);
}

}  // namespace

// One task a (row, key/value head): it owns the key and value gradients it adds to, so sums are
// taken in the order of the tiles whatever the thread count.
void attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t length = map.length();
    const std::int64_t stride = shape.qkv_width();
    core::parallel_for(map.rows() * shape.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<A> work;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t row = task / shape.kv_heads;
        const std::int64_t kv_head = task % shape.kv_heads;
        const std::int64_t token = row * length;
        work.key_total.setZero(length, shape.width);
        work.value_total.setZero(length, shape.width);
        for (std::int64_t number = 0; number < map.tiles_per_row; ++number) {
          const std::int64_t first = number * map.query_tile;
          const TileIndex tile = {row, kv_head, first, std::min(map.query_tile, length - first)};
          backward_tile(qkv.data<T>() + token * stride, dout.data<T>() + token * shape.out_width(),
                        out.data<T>() + token * shape.out_width(),
                        lse.data<A>() + token * shape.heads, shape, map, tile, number,
                        dqkv.data<T>() + token * stride, work);
        }
        T* dkey = dqkv.data<T>() + token * stride + (shape.heads + kv_head) * shape.width;
        T* dvalue = dkey + shape.kv_heads * shape.width;
        for (std::int64_t t = 0; t < length; ++t) {
          for (std::int64_t d = 0; d < shape.width; ++d) {
            dkey[t * stride + d] = T(work.key_total(t, d));
            dvalue[t * stride + d] = T(work.value_total(t, d));
          }
        }
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
