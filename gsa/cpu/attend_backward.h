// The backward of attention for a block of queries on the CPU (gsa/cpu/attend.h).
#pragma once

#include <cmath>

#include "gsa/attention_shape.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/key_columns.h"
#include "gsa/cpu/lane_product.h"

namespace unfold::gsa::kernels::cpu {

// Buffers of one thread, reused from block to block.
template <typename A, typename Columns>
struct BackwardWorkspace {
  GatheredRows<A> keys, values;
  Buffer<A> dkeys, dvalues;  // (length, row width) in gathered order: sums over queries so far
  QueryBlock queries;
  Columns columns;
  Buffer<A> query, out, dout, dquery;  // (queries, row width)
  Buffer<A> lse, delta;                // (queries)
  Buffer<A> weights = Buffer<A>(kMaxQueries * kScoreStride<A>);
  Buffer<A> dscores = Buffer<A>(kMaxQueries * kScoreStride<A>);
};

// With P = exp(S - lse) and delta = rowsum(dO * O):  dV = P^T dO,  dS = P * (dO V^T - delta),
// dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)  (FlashAttention-2, Dao 2023, section 3.1).
// Q comes divided already.
template <typename A, typename Columns>
void backward_block(BackwardWorkspace<A, Columns>& work, std::int64_t width) {
  const QueryBlock& queries = work.queries;
  Columns& columns = work.columns;
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

// The operands of a row's tokens: its first token's part of every tensor.
template <typename T, typename A>
struct BackwardRow {
  const T* qkv;
  const T* out;
  const T* dout;
  const A* lse;
};

// Keys and values of positions order[0 .. length), and zeros for their gradients.
template <typename T, typename A, typename Columns>
void load_keys(BackwardWorkspace<A, Columns>& work, const BackwardRow<T, A>& row,
               const AttentionShape& shape, std::int64_t kv_head, const std::int32_t* order,
               std::int64_t length) {
  const T* keys = row.qkv + (shape.heads + kv_head) * shape.width;
  work.keys.gather(keys, shape.qkv_width(), order, length, shape.width);
  work.keys.transpose(length, shape.width);
  work.values.gather(keys + shape.kv_heads * shape.width, shape.qkv_width(), order, length,
                     shape.width);
  work.values.transpose(length, shape.width);
  work.dkeys.setZero(length * padded<A>(shape.width));
  work.dvalues.setZero(length * padded<A>(shape.width));
}

// What belongs to work.queries, with the queries divided by sqrt(width).
template <typename T, typename A, typename Columns>
void load_query_operands(BackwardWorkspace<A, Columns>& work, const BackwardRow<T, A>& row,
                         const AttentionShape& shape) {
  const QueryBlock& queries = work.queries;
  const std::int64_t row_width = padded<A>(shape.width);
  const A scale = A(1) / std::sqrt(static_cast<A>(shape.width));
  load_queries(row.qkv, shape.qkv_width(), queries, shape.width, scale, work.query);
  load_queries(row.dout, shape.out_width(), queries, shape.width, A(1), work.dout);
  load_queries(row.out, shape.out_width(), queries, shape.width, A(1), work.out);
  work.dquery.setZero(queries.count * row_width);
  work.lse.resize(queries.count);
  work.delta.resize(queries.count);
  for (std::int64_t r = 0; r < queries.count; ++r) {
    const auto i = static_cast<std::size_t>(r);
    work.lse[r] = row.lse[queries.position[i] * shape.heads + queries.head[i]];
    work.delta[r] = (View<A>(work.dout.data() + r * row_width, row_width) *
                     View<A>(work.out.data() + r * row_width, row_width))
                        .sum();
  }
}

}  // namespace unfold::gsa::kernels::cpu
