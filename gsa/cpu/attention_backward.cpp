#include <cmath>

#include "core/parallel.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/kernels/attention.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Buffers of one thread, reused from block to block.
template <typename A>
struct Workspace {
  GatheredRows<A> keys, values;
  Buffer<A> dkeys, dvalues;  // (length, row width) in gathered order: sums over queries so far
  QueryBlock queries;
  Buffer<A> query, out, dout, dquery;  // (queries, row width)
  Buffer<A> lse, delta;                // (queries)
  Buffer<A> weights = Buffer<A>(kMaxQueries * kMaxColumns);
  Buffer<A> dscores = Buffer<A>(kMaxQueries * kMaxColumns);
};

// With P = exp(S - lse) and delta = rowsum(dO * O):  dV = P^T dO,  dS = P * (dO V^T - delta),
// dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)  (FlashAttention-2, Dao 2023, section 3.1).
// Q comes divided already.
template <typename A>
void backward_block(Workspace<A>& work, KeyColumns columns, std::int64_t width) {
  const QueryBlock& queries = work.queries;
  const std::int64_t row_width = padded<A>(width);
  while (columns.next(queries)) {
    for (const KeySegment& keys : columns.segments()) {
      multiply<A>({work.query.data(), row_width, 1}, work.keys.columns(keys.begin), queries.count,
                  width, keys.count, false, {work.weights.data() + keys.column, kMaxColumns});
      multiply<A>({work.dout.data(), row_width, 1}, work.values.columns(keys.begin), queries.count,
                  width, keys.count, false, {work.dscores.data() + keys.column, kMaxColumns});
    }
    for (std::int64_t r = 0; r < queries.count; ++r) {
      View<A> weight(work.weights.data() + r * kMaxColumns, columns.columns());
      View<A> dscore(work.dscores.data() + r * kMaxColumns, columns.columns());
      // A hidden score can be far above the log-sum-exp: cap it before it overflows.
      weight = (weight - work.lse[r]).min(A(0)).exp();
      columns.hide(queries, r, A(0), weight.data());
      dscore = weight * (dscore - work.delta[r]);
    }
    for (const KeySegment& keys : columns.segments()) {
      const A* weights = work.weights.data() + keys.column;
      const A* dscores = work.dscores.data() + keys.column;
      multiply<A>({dscores, kMaxColumns, 1}, work.keys.rows(keys.begin), queries.count, keys.count,
                  width, true, {work.dquery.data(), row_width});
      multiply<A>({dscores, 1, kMaxColumns}, {work.query.data(), row_width}, keys.count,
                  queries.count, width, true,
                  {work.dkeys.data() + keys.begin * row_width, row_width});
      multiply<A>({weights, 1, kMaxColumns}, {work.dout.data(), row_width}, keys.count,
                  queries.count, width, true,
                  {work.dvalues.data() + keys.begin * row_width, row_width});
    }
  }
}

// Key or value gradients to their section of the row's tokens, rounding to T.
template <typename T, typename A>
void store_gathered(const Buffer<A>& in, std::int64_t width, const std::int32_t* order,
                    std::int64_t length, std::int64_t stride, T* section) {
  for (std::int64_t i = 0; i < length; ++i) {
    const A* from = in.data() + i * padded<A>(width);
    T* out = section + order[i] * stride;
    for (std::int64_t d = 0; d < width; ++d) out[d] = T(from[d]);
  }
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
    const std::int64_t width = shape.width;
    const std::int64_t row_width = padded<A>(width);
    const std::int64_t stride = shape.qkv_width();
    const A scale = A(1) / std::sqrt(static_cast<A>(width));
    core::parallel_for(map.rows() * shape.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<A> work;
      QueryBlock& queries = work.queries;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t row = task / shape.kv_heads;
        const std::int64_t kv_head = task % shape.kv_heads;
        const std::int64_t token = row * length;
        const std::int32_t* order = map.order.data() + token;
        const std::int64_t key_begin = (shape.heads + kv_head) * width;
        const std::int64_t value_begin = key_begin + shape.kv_heads * width;
        const T* row_qkv = qkv.data<T>() + token * stride;
        const T* row_dout = dout.data<T>() + token * shape.out_width();
        const T* row_out = out.data<T>() + token * shape.out_width();
        const A* row_lse = lse.data<A>() + token * shape.heads;
        T* row_dqkv = dqkv.data<T>() + token * stride;
        work.keys.gather(row_qkv + key_begin, stride, order, length, width, true, true);
        work.values.gather(row_qkv + value_begin, stride, order, length, width, false, true);
        work.dkeys.setZero(length * row_width);
        work.dvalues.setZero(length * row_width);
        for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
          for (std::int64_t taken = 0; queries.take(map, shape, row, kv_head, tile, taken);
               taken += queries.count) {
            load_queries(row_qkv, stride, queries, width, scale, work.query);
            load_queries(row_dout, shape.out_width(), queries, width, A(1), work.dout);
            load_queries(row_out, shape.out_width(), queries, width, A(1), work.out);
            work.dquery.setZero(queries.count * row_width);
            work.lse.resize(queries.count);
            work.delta.resize(queries.count);
            for (std::int64_t r = 0; r < queries.count; ++r) {
              const auto i = static_cast<std::size_t>(r);
              work.lse[r] = row_lse[queries.position[i] * shape.heads + queries.head[i]];
              work.delta[r] = (View<A>(work.dout.data() + r * row_width, row_width) *
                               View<A>(work.out.data() + r * row_width, row_width))
                                  .sum();
            }
            backward_block(work, KeyColumns(map, row, tile, Vector<A>::kLanes), width);
            for (std::int64_t r = 0; r < queries.count; ++r) {
              store_query(work.dquery, r, scale, queries, width, stride, row_dqkv);
            }
          }
        }
        store_gathered(work.dkeys, width, order, length, stride, row_dqkv + key_begin);
        store_gathered(work.dvalues, width, order, length, stride, row_dqkv + value_begin);
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
