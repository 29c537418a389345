// The general backward kernels. With P = exp(S - lse) and delta = rowsum(dO * O):
//   dV = P^T dO,  dS = P * (dO V^T - delta),  dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)
// (FlashAttention-2, Dao 2023, section 3.1). Two passes, so that every gradient has one owner and
// sums are taken in a fixed order: one in which a block owns queries and visits keys (dQ), one in
// which it owns keys and visits queries (dK, dV).
#pragma once

#include "gsa/cuda/attend.cuh"

namespace unfold::gsa::kernels::cuda {

// What the backward reads. delta (tokens, heads).
template <typename T>
struct BackwardOperands {
  const T* qkv;
  const T* dout;
  const Accumulator<T>* lse;
  const Accumulator<T>* delta;
};

// delta of all tokens and heads: one warp each, in blocks of four.
template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    row_products(const T* out, const T* dout, int width, std::int64_t count,
                 Accumulator<T>* delta) {
  using A = Accumulator<T>;
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kTileWarps + threadIdx.x / kWarp;
  if (at >= count) return;
  A sum = A(0);
  for (int d = threadIdx.x % kWarp; d < width; d += kWarp) {
    sum += widen(out[at * width + d]) * widen(dout[at * width + d]);
  }
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) delta[at] = sum;
}

// dQ, with the Source of the forward. G: dtype of the gradient, which is written.
template <typename T, typename G, int kChunks, typename Source>
__global__ void __launch_bounds__(kTileThreads)
    attend_backward_queries(Source source, Heads heads, BackwardOperands<T> in, G* dqkv) {
  using A = Accumulator<T>;
  using Shape = TileShape<kChunks>;
  extern __shared__ __align__(16) unsigned char shared[];
  A* queries = reinterpret_cast<A*>(shared);
  A* douts = queries + kTileRows * Shape::kRow;
  A* columns = douts + kTileRows * Shape::kRow;
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const A scale = score_scale<A>(heads.width);
  QueryRow row[kWarpRows];
  A lse[kWarpRows], delta[kWarpRows], sums[kWarpRows][kChunks];
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int r = warp + i * kTileWarps;
    const T* query = nullptr;
    const T* dout = nullptr;
    lse[i] = delta[i] = A(0);
    if (r < rows) {
      row[i] = task.row(r);
      query = in.qkv + heads.query(row[i].token, row[i].head);
      dout = in.dout + heads.out(row[i].token, row[i].head);
      lse[i] = in.lse[heads.lse(row[i].token, row[i].head)];
      delta[i] = in.delta[heads.lse(row[i].token, row[i].head)];
    }
    load_row<kChunks>(query, heads.width, scale, queries + r * Shape::kRow);
    load_row<kChunks>(dout, heads.width, A(1), douts + r * Shape::kRow);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) sums[i][c] = A(0);
  }
  KeyColumn<T> column;
  while (task.next(lane, column)) {
    A scores[kWarpRows], dscores[kWarpRows];
    load_columns<kChunks>(column.value, heads.width, columns);
    __syncthreads();
    multiply<kChunks>(douts, columns, heads.width, rows, dscores);
    __syncthreads();
    load_columns<kChunks>(column.key, heads.width, columns);
    __syncthreads();
    multiply<kChunks>(queries, columns, heads.width, rows, scores);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const int r = warp + i * kTileWarps;
      const bool visible = r < rows && column.position >= 0 && task.sees(row[i], column);
      dscores[i] = visible ? exponential(scores[i] - lse[i]) * (dscores[i] - delta[i]) : A(0);
    }
    accumulate<kChunks>(dscores, columns, rows, sums);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    if (warp + i * kTileWarps >= rows) continue;
    G* to = dqkv + heads.query(row[i].token, row[i].head);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int d = c * kWarp + lane;
      if (d < heads.width) to[d] = narrow<G>(sums[i][c] * scale);
    }
  }
}

struct KeyRow {
  std::int64_t token = 0;    // row of qkv
  int position = 0;          // in the row of tokens
  int slot = 0;              // r
  const int* end = nullptr;  // by class, `end_stride` apart: first query that does not see it
  int end_stride = 0;
};

struct QueryColumn {
  std::int64_t token = -1;  // row of qkv; -1 none
  int head = 0;
  int position = 0;
  int query_class = 0;
  unsigned seen = 0;  // bit r: whether row r is seen, where the source works with bits
};

// dK and dV. A Source makes a Task of up to 16 key rows:
//   int rows, kv_head;  KeyRow row(int r);  bool next(int lane, QueryColumn&);
//   bool sees(const KeyRow&, const QueryColumn&)
// kAdd: gradients are added to dqkv, else written.
template <typename T, typename G, bool kAdd, int kChunks, typename Source>
__global__ void __launch_bounds__(kTileThreads)
    attend_backward_keys(Source source, Heads heads, BackwardOperands<T> in, G* dqkv) {
  using A = Accumulator<T>;
  using Shape = TileShape<kChunks>;
  extern __shared__ __align__(16) unsigned char shared[];
  A* keys = reinterpret_cast<A*>(shared);
  A* values = keys + kTileRows * Shape::kRow;
  A* columns = values + kTileRows * Shape::kRow;
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const A scale = score_scale<A>(heads.width);
  KeyRow row[kWarpRows];
  A dkeys[kWarpRows][kChunks], dvalues[kWarpRows][kChunks];
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int r = warp + i * kTileWarps;
    const T* key = nullptr;
    const T* value = nullptr;
    if (r < rows) {
      row[i] = task.row(r);
      key = in.qkv + heads.key(row[i].token, task.kv_head);
      value = in.qkv + heads.value(row[i].token, task.kv_head);
    }
    load_row<kChunks>(key, heads.width, scale, keys + r * Shape::kRow);
    load_row<kChunks>(value, heads.width, A(1), values + r * Shape::kRow);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) dkeys[i][c] = dvalues[i][c] = A(0);
  }
  QueryColumn column;
  while (task.next(lane, column)) {
    const T* query = nullptr;
    const T* dout = nullptr;
    A lse = A(0);
    A delta = A(0);
    if (column.token >= 0) {
      query = in.qkv + heads.query(column.token, column.head);
      dout = in.dout + heads.out(column.token, column.head);
      lse = in.lse[heads.lse(column.token, column.head)];
      delta = in.delta[heads.lse(column.token, column.head)];
    }
    A weights[kWarpRows], dscores[kWarpRows];
    load_columns<kChunks>(query, heads.width, columns);
    __syncthreads();
    multiply<kChunks>(keys, columns, heads.width, rows, weights);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const bool visible =
          warp + i * kTileWarps < rows && column.token >= 0 && task.sees(row[i], column);
      weights[i] = visible ? exponential(weights[i] - lse) : A(0);
    }
    __syncthreads();
    load_columns<kChunks>(dout, heads.width, columns);
    __syncthreads();
    multiply<kChunks>(values, columns, heads.width, rows, dscores);
    accumulate<kChunks>(weights, columns, rows, dvalues);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      // A weight of 0 is a pair that is not seen, whose other factor may be anything.
      dscores[i] = weights[i] == A(0) ? A(0) : weights[i] * (dscores[i] - delta);
    }
    __syncthreads();
    load_columns<kChunks>(query, heads.width, columns);
    __syncthreads();
    accumulate<kChunks>(dscores, columns, rows, dkeys);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    if (warp + i * kTileWarps >= rows) continue;
    G* dkey = dqkv + heads.key(row[i].token, task.kv_head);
    G* dvalue = dqkv + heads.value(row[i].token, task.kv_head);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int d = c * kWarp + lane;
      if (d >= heads.width) continue;
      A key_sum = dkeys[i][c] * scale;
      A value_sum = dvalues[i][c];
      if constexpr (kAdd) {
        key_sum += widen(dkey[d]);
        value_sum += widen(dvalue[d]);
      }
      dkey[d] = narrow<G>(key_sum);
      dvalue[d] = narrow<G>(value_sum);
    }
  }
}

}  // namespace unfold::gsa::kernels::cuda
