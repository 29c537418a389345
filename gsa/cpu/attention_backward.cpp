#include <cmath>

#include "core/parallel.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/key_columns.h"
#include "gsa/cpu/lane_product.h"
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
  KeyColumns<A> columns;
  Buffer<A> query, out, dout, dquery;  // (queries, row width)
  Buffer<A> lse, delta;                // (queries)
  Buffer<A> weights = Buffer<A>(kMaxQueries * kScoreStride<A>);
  Buffer<A> dscores = Buffer<A>(kMaxQueries * kScoreStride<A>);
};

// With P = exp(S - lse) and delta = rowsum(dO * O):  dV = P^T dO,  dS = P * (dO V^T - delta),
// dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)  (FlashAttention-2, Dao 2023, section 3.1).
// Q comes divided already.
template <typename A>
void backward_block(Workspace<A>& work, std::int64_t width) {
  const QueryBlock& queries = work.queries;
  KeyColumns<A>& columns = work.columns;
  const std::int64_t row_width = padded<A>(width);
  const std::int64_t vectors = row_width / Vector<A>::kLanes;
  while (columns.next(queries)) {
    for (const KeySegment& keys : columns.segments()) {
      multiply<A>({work.query.data(), row_width, 1}, work.keys.panels(keys.begin), queries.count,
                  width, keys.panels, false,
                  {work.weights.data() + keys.panel_column, kScoreStride<A>});
      multiply<A>({work.dout.data(), row_width, 1}, work.values.panels(keys.begin), queries.count,
                  width, keys.panels, false,
                  {work.dscores.data() + keys.panel_column, kScoreStride<A>});
    }
    for (std::int64_t r = 0; r < queries.count; ++r) {
      View<A> weight(work.weights.data() + r * kScoreStride<A>, columns.columns());
      View<A> dscore(work.dscores.data() + r * kScoreStride<A>, columns.columns());
      columns.hide(queries, static_cast<std::size_t>(r), weight.data());
      exp_row(weight.data(), columns.columns(), work.lse[r]);
      dscore = weight * (dscore - work.delta[r]);
    }
    for (const KeySegment& keys : columns.segments()) {
      const A* weights = work.weights.data() + keys.column;
      const A* dscores = work.dscores.data() + keys.column;
      multiply<A>({dscores, kScoreStride<A>, 1}, work.keys.rows(keys.begin), queries.count,
                  keys.count, vectors, true, {work.dquery.data(), row_width});
      multiply<A>({dscores, 1, kScoreStride<A>}, {work.query.data(), row_width}, keys.count,
                  queries.count, vectors, true,
                  {work.dkeys.data() + keys.begin * row_width, row_width});
      multiply<A>({weights, 1, kScoreStride<A>}, {work.dout.data(), row_width}, keys.count,
                  queries.count, vectors, true,
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
        work.keys.gather(row_qkv + key_begin, stride, order, length, width);
        work.keys.transpose(length, width);
        work.values.gather(row_qkv + value_begin, stride, order, length, width);
        work.values.transpose(length, width);
        work.dkeys.setZero(length * row_width);
        work.dvalues.setZero(length * row_width);
        for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
          for (std::int64_t taken = 0; queries.take(map, shape, row, kv_head, tile, taken);
               taken += queries.count) {
            load_queries(row_qkv, stride, queries, width, scale, work.query);
            load_queries(row_dout, shape.out_width(), queries, width, A(1), work.dout);
            load_queries(row_out, shape.out_width(), queries, width, A(1), work.out);
            prefetch_stores(queries, width, stride, row_dqkv);
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
            work.columns.start(map, row, tile);
            backward_block(work, width);
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
