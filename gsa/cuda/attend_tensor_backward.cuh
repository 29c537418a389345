// The backward kernels for bfloat16 and head widths that tensor cores take whole: the two passes of
// gsa/cuda/attend_backward.cuh, with the tiles of gsa/cuda/attend_tensor.cuh.
#pragma once

#include "gsa/cuda/attend_backward.cuh"
#include "gsa/cuda/attend_tensor.cuh"
#include "gsa/gist_config.h"

namespace unfold::gsa::kernels::cuda {

template <int kWidth>
constexpr std::size_t tensor_backward_queries_bytes() {
  return sizeof(core::bfloat16) * kWidth * (2 * kTensorRows + 4 * kTensorColumns);
}

// dQ of 64 query rows.
template <int kWidth, typename Source>
__global__ void __launch_bounds__(kTensorThreads)
    attend_tensor_backward_queries(Source source, Heads heads, BackwardOperands<core::bfloat16> in,
                                   core::bfloat16* dqkv) {
  using T = core::bfloat16;
  constexpr int kBlocks = kTensorColumns / 8;
  constexpr int kTile = kTensorColumns * kWidth;
  extern __shared__ __align__(128) unsigned char shared[];
  T* query_tile = reinterpret_cast<T*>(shared);
  T* dout_tile = query_tile + kTensorRows * kWidth;
  T* key_tiles = dout_tile + kTensorRows * kWidth;  // two
  T* value_tiles = key_tiles + 2 * kTile;           // two
  __shared__ int positions[2][kTensorColumns];
  __shared__ QueryBounds bounds;
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int copied = static_cast<int>(threadIdx.x) / 2;
  const int part = static_cast<int>(threadIdx.x) % 2;
  if (threadIdx.x == 0) bounds = {INT_MAX, -1, 0u};
  __syncthreads();
  const T* query = nullptr;
  const T* dout = nullptr;
  if (copied < rows) {
    const QueryRow row = task.row(copied);
    query = in.qkv + heads.query(row.token, row.head);
    dout = in.dout + heads.out(row.token, row.head);
    if (part == 0) widen_bounds(bounds, row);
  }
  copy_vector<kWidth, 2>(query_tile, copied, part, query, in.qkv);
  copy_vector<kWidth, 2>(dout_tile, copied, part, dout, in.qkv);
  commit_copies();
  const auto bring = [&](int stage, int& position) {
    KeyColumn<T> column;
    const bool more = task.template next<kTensorColumns>(copied, column);
    if (more) {
      copy_vector<kWidth, 2>(key_tiles + stage * kTile, copied, part, column.key, in.qkv);
      copy_vector<kWidth, 2>(value_tiles + stage * kTile, copied, part, column.value, in.qkv);
      if (part == 0) positions[stage][copied] = column.position;
    }
    commit_copies();
    position = column.position;
    return more;
  };
  int position = -1;
  bool more = bring(0, position);
  QueryRow row[2];
  float lse[2], delta[2], sums[kWidth / 8][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int at = warp * 16 + lane / 4 + 8 * r;
    lse[r] = delta[r] = 0.0f;
    if (at < rows) {
      row[r] = task.row(at);
      lse[r] = in.lse[heads.lse(row[r].token, row[r].head)] * kLog2e;
      delta[r] = in.delta[heads.lse(row[r].token, row[r].head)];
    }
  }
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
  const float scale = score_scale<float>(kWidth);
  __syncthreads();  // bounds
  for (int stage = 0; more; stage ^= 1) {
    int next_position = -1;
    const bool next_more = bring(stage ^ 1, next_position);
    wait_copies<1>();
    const bool hides = task.may_hide(position, bounds.first, bounds.last, bounds.classes);
    const bool masked = __syncthreads_or(hides ? 1 : 0) != 0;
    float scores[kBlocks][4], dscores[kBlocks][4];
    multiply_tiles<kWidth, kBlocks>(query_tile, warp * 16, key_tiles + stage * kTile, scores);
    multiply_tiles<kWidth, kBlocks>(dout_tile, warp * 16, value_tiles + stage * kTile, dscores);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int r = e / 2;
        const float weight = power_of_two(fmaf(scores[n][e], scale * kLog2e, -lse[r]));
        dscores[n][e] = weight * (dscores[n][e] - delta[r]);
        if (masked && !sees(row[r], positions[stage][n * 8 + 2 * (lane % 4) + e % 2])) {
          dscores[n][e] = 0.0f;
        }
      }
    }
    add_weighted<kWidth, kBlocks>(dscores, key_tiles + stage * kTile, sums);
    __syncthreads();
    more = next_more;
    position = next_position;
  }
  wait_copies<0>();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (warp * 16 + lane / 4 + 8 * r >= rows) continue;
    store_sums<kWidth>(sums, r, scale, dqkv + heads.query(row[r].token, row[r].head));
  }
}

// Queries that come at a time to the owner of keys: as many as leave room for the sums.
template <int kWidth>
inline constexpr int kTensorQueries = kWidth <= 64 ? 64 : 32;

template <int kWidth>
constexpr std::size_t tensor_backward_keys_bytes() {
  return sizeof(core::bfloat16) * kWidth * (2 * kTensorRows + 4 * kTensorQueries<kWidth>);
}

// Of the queries in shared memory.
struct QueryFacts {
  float lse, delta;  // lse in powers of two
  int position;      // -1 none
  int query_class;
};

// dK and dV of 64 keys of a block map. Source: MapKeys<64>.
template <int kWidth, typename Source>
__global__ void __launch_bounds__(kTensorThreads)
    attend_tensor_backward_keys(Source source, Heads heads, BackwardOperands<core::bfloat16> in,
                                core::bfloat16* dqkv) {
  using T = core::bfloat16;
  constexpr int kQueries = kTensorQueries<kWidth>;
  constexpr int kBlocks = kQueries / 8;
  constexpr int kTile = kQueries * kWidth;
  constexpr int kShare = kTensorThreads / kQueries;  // threads that bring one query
  extern __shared__ __align__(128) unsigned char shared[];
  T* key_tile = reinterpret_cast<T*>(shared);
  T* value_tile = key_tile + kTensorRows * kWidth;
  T* query_tiles = value_tile + kTensorRows * kWidth;  // two
  T* dout_tiles = query_tiles + 2 * kTile;             // two
  __shared__ QueryFacts facts[2][kQueries];
  __shared__ int ends[kMaxLevels][kTensorRows];  // reach of the keys by class
  __shared__ int first_end[kMaxLevels];          // the lowest of each class
  __shared__ int last_key;                       // highest position
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int classes = source.map.classes;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x < kMaxLevels) first_end[threadIdx.x] = INT_MAX;
  if (threadIdx.x == 0) last_key = -1;
  __syncthreads();
  {
    const int copied = static_cast<int>(threadIdx.x) / 2;
    const int part = static_cast<int>(threadIdx.x) % 2;
    const T* key = nullptr;
    const T* value = nullptr;
    if (copied < rows) {
      const KeyRow row = task.row(copied);
      key = in.qkv + heads.key(row.token, task.kv_head);
      value = in.qkv + heads.value(row.token, task.kv_head);
      if (part == 0) {
        atomicMax(&last_key, row.position);
        for (int c = 0; c < classes; ++c) {
          const int end = row.end[static_cast<std::int64_t>(c) * row.end_stride];
          ends[c][copied] = end;
          atomicMin(&first_end[c], end);
        }
      }
    }
    copy_vector<kWidth, 2>(key_tile, copied, part, key, in.qkv);
    copy_vector<kWidth, 2>(value_tile, copied, part, value, in.qkv);
    commit_copies();
  }
  const int copied = static_cast<int>(threadIdx.x) / kShare;
  const int part = static_cast<int>(threadIdx.x) % kShare;
  const auto bring = [&](int stage, QueryColumn& column) {
    const bool more = task.template next<kQueries>(copied, column);
    if (more) {
      const bool here = column.token >= 0;
      const T* query = here ? in.qkv + heads.query(column.token, column.head) : nullptr;
      const T* dout = here ? in.dout + heads.out(column.token, column.head) : nullptr;
      copy_vector<kWidth, kShare>(query_tiles + stage * kTile, copied, part, query, in.qkv);
      copy_vector<kWidth, kShare>(dout_tiles + stage * kTile, copied, part, dout, in.qkv);
      if (part == 0) {
        const std::int64_t at = here ? heads.lse(column.token, column.head) : 0;
        facts[stage][copied] = {here ? in.lse[at] * kLog2e : 0.0f, here ? in.delta[at] : 0.0f,
                                here ? column.position : -1, column.query_class};
      }
    }
    commit_copies();
    return more;
  };
  QueryColumn column;
  bool more = bring(0, column);
  const int row0 = warp * 16 + lane / 4;
  int key_position[2];
  float dkeys[kWidth / 8][4], dvalues[kWidth / 8][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    key_position[r] = row0 + 8 * r < rows ? task.row(row0 + 8 * r).position : INT_MAX;
  }
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) dkeys[n][e] = dvalues[n][e] = 0.0f;
  }
  const float scale = score_scale<float>(kWidth);
  __syncthreads();  // the reach of the keys
  for (int stage = 0; more; stage ^= 1) {
    QueryColumn next_column;
    const bool next_more = bring(stage ^ 1, next_column);
    wait_copies<1>();
    const bool hides = column.token < 0 || column.position < last_key ||
                       column.position >= first_end[column.query_class];
    const bool masked = __syncthreads_or(hides ? 1 : 0) != 0;
    float weights[kBlocks][4], dscores[kBlocks][4];
    multiply_tiles<kWidth, kBlocks>(key_tile, warp * 16, query_tiles + stage * kTile, weights);
    multiply_tiles<kWidth, kBlocks>(value_tile, warp * 16, dout_tiles + stage * kTile, dscores);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int r = e / 2;
        const QueryFacts& query = facts[stage][n * 8 + 2 * (lane % 4) + e % 2];
        const float weight = power_of_two(fmaf(weights[n][e], scale * kLog2e, -query.lse));
        weights[n][e] = weight;
        dscores[n][e] = weight * (dscores[n][e] - query.delta);
        if (masked && !(key_position[r] <= query.position &&
                        query.position < ends[query.query_class][row0 + 8 * r])) {
          weights[n][e] = dscores[n][e] = 0.0f;
        }
      }
    }
    add_weighted<kWidth, kBlocks>(weights, dout_tiles + stage * kTile, dvalues);
    add_weighted<kWidth, kBlocks>(dscores, query_tiles + stage * kTile, dkeys);
    __syncthreads();
    more = next_more;
    column = next_column;
  }
  wait_copies<0>();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (row0 + 8 * r >= rows) continue;
    const KeyRow row = task.row(row0 + 8 * r);
    store_sums<kWidth>(dkeys, r, scale, dqkv + heads.key(row.token, task.kv_head));
    store_sums<kWidth>(dvalues, r, 1.0f, dqkv + heads.value(row.token, task.kv_head));
  }
}

}  // namespace unfold::gsa::kernels::cuda
