// The general forward kernel: softmax attention of up to 16 query rows a block over whatever keys
// a source gives them, with running sums (online softmax).
//
// A Source is passed to the kernel by value; for block (x, y) it makes a Task:
//   int rows                      queries of the block, 0 for none
//   QueryRow row(int r)           what row r is
//   bool next(int lane, KeyColumn<T>&)
//                                 the lane's key of the next 32, none (position -1) included; false
//                                 behind the last ones. Called by all threads alike.
//   bool sees(const QueryRow&, const KeyColumn<T>&)
#pragma once

#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/tile.cuh"

namespace unfold::gsa::kernels::cuda {

struct QueryRow {
  std::int64_t token = 0;    // row of qkv
  int head = 0;              // query head
  int position = -1;         // in the row of tokens
  const int* end = nullptr;  // by position: first query of this one's class that does not see it
  int query_class = 0;
  std::int64_t out_at = 0;  // where the result goes: of out in vectors, of lse in elements
};

template <typename T>
struct KeyColumn {
  int position = -1;
  const T* key = nullptr;
  const T* value = nullptr;
};

// Writes a vector of out (in Out, T or its accumulator) and an element of lse for every row.
template <typename T, typename Out, int kChunks, typename Source>
__global__ void __launch_bounds__(kTileThreads)
    attend(Source source, Heads heads, const T* qkv, Out* out, Accumulator<T>* lse) {
  using A = Accumulator<T>;
  using Shape = TileShape<kChunks>;
  extern __shared__ __align__(16) unsigned char shared[];
  A* queries = reinterpret_cast<A*>(shared);
  A* columns = queries + kTileRows * Shape::kRow;
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const A scale = score_scale<A>(heads.width);
  QueryRow row[kWarpRows];
  A largest[kWarpRows], total[kWarpRows], sums[kWarpRows][kChunks];
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int r = warp + i * kTileWarps;
    const T* from = nullptr;
    if (r < rows) {
      row[i] = task.row(r);
      from = qkv + heads.query(row[i].token, row[i].head);
    }
    load_row<kChunks>(from, heads.width, scale, queries + r * Shape::kRow);
    largest[i] = minus_infinity<A>();
    total[i] = A(0);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) sums[i][c] = A(0);
  }
  KeyColumn<T> column;
  while (task.next(lane, column)) {
    A weights[kWarpRows];
    load_columns<kChunks>(column.key, heads.width, columns);
    __syncthreads();
    multiply<kChunks>(queries, columns, heads.width, rows, weights);
    __syncthreads();
    load_columns<kChunks>(column.value, heads.width, columns);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const int r = warp + i * kTileWarps;
      const bool visible = r < rows && column.position >= 0 && task.sees(row[i], column);
      const A score = visible ? weights[i] : minus_infinity<A>();
      const A before = largest[i];
      const A tile_largest = warp_max(score);
      const A now = before > tile_largest ? before : tile_largest;
      // A row that has seen no key yet has a maximum of -inf: keep it out of the differences.
      weights[i] = visible ? exponential(score - now) : A(0);
      const A rescale = before == now ? A(1) : exponential(before - now);
      largest[i] = now;
      total[i] = total[i] * rescale + warp_sum(weights[i]);
#pragma unroll
      for (int c = 0; c < kChunks; ++c) sums[i][c] *= rescale;
    }
    __syncthreads();
    accumulate<kChunks>(weights, columns, rows, sums);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    if (warp + i * kTileWarps >= rows) continue;
    Out* to = out + row[i].out_at * heads.width;
    const A share = A(1) / total[i];
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int d = c * kWarp + lane;
      if (d < heads.width) to[d] = narrow<Out>(sums[i][c] * share);
    }
    if (lane == 0) lse[row[i].out_at] = largest[i] + logarithm(total[i]);
  }
}

}  // namespace unfold::gsa::kernels::cuda
