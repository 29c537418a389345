// The forward kernel for bfloat16 and head widths that tensor cores take whole: the algorithm of
// gsa/cuda/attend.cuh with products of 16 x 8 x 16 (FlashAttention-2, Dao 2023). A block has 64
// query rows, a warp 16 of them; keys and values come 64 at a time, the next while these are worked
// on. Pairs are tested only in blocks of keys in which some query may not see some key.
//
// The Source is that of the general kernels for 64 rows; its tasks also say
//   bool may_hide(int key, int lowest, int highest, unsigned classes)
#pragma once

#include <climits>

#include "gsa/cuda/attend.cuh"
#include "gsa/cuda/mma.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kTensorRows = 64;
inline constexpr int kTensorColumns = 64;
inline constexpr int kTensorThreads = 128;
inline constexpr float kLog2e = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;

// A vector to a row of a tile, zeros for nullptr. kThreads threads share the row; this is number
// `part` of them.
template <int kWidth, int kThreads>
__device__ inline void copy_vector(core::bfloat16* tile, int row, int part,
                                   const core::bfloat16* from, const core::bfloat16* readable) {
  constexpr int kPieces = kWidth / kPiece / kThreads;
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const int piece = part + kThreads * i;
    copy_piece(tile + piece_at<kWidth>(row, piece),
               from != nullptr ? from + piece * kPiece : readable, from != nullptr);
  }
}

// What the queries of a block have in common; in shared memory.
struct QueryBounds {
  int first, last;   // positions
  unsigned classes;  // bits
};

__device__ inline void widen_bounds(QueryBounds& bounds, const QueryRow& row) {
  atomicMin(&bounds.first, row.position);
  atomicMax(&bounds.last, row.position);
  atomicOr(&bounds.classes, 1u << row.query_class);
}

__device__ inline bool sees(const QueryRow& row, int key) {
  return key >= 0 && key <= row.position && row.position < row.end[key];
}

// Sums over the four lanes that hold a row.
__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(kFullWarp, value, 1);
  return value + __shfl_xor_sync(kFullWarp, value, 2);
}
__device__ inline float quad_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(kFullWarp, value, 1));
  return fmaxf(value, __shfl_xor_sync(kFullWarp, value, 2));
}

// sums (16 x 8 kBlocks) = rows [row, row + 16) of a tile times the first 8 kBlocks rows of another.
template <int kWidth, int kBlocks>
__device__ inline void multiply_tiles(const core::bfloat16* left_tile, int row,
                                      const core::bfloat16* right_tile, float (&sums)[kBlocks][4]) {
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
#pragma unroll
  for (int step = 0; step < kWidth / 16; ++step) {
    unsigned left[4];
    load_left<kWidth>(left_tile, row, step, left);
#pragma unroll
    for (int pair = 0; pair < kBlocks / 2; ++pair) {
      unsigned right[4];
      load_right<kWidth>(right_tile, pair * 16, step, right);
      multiply_add(sums[2 * pair], left, right[0], right[1]);
      multiply_add(sums[2 * pair + 1], left, right[2], right[3]);
    }
  }
}

// sums (16 x kWidth) += weights (16 x 8 kBlocks) times the first 8 kBlocks rows of a tile.
template <int kWidth, int kBlocks>
__device__ inline void add_weighted(const float (&weights)[kBlocks][4], const core::bfloat16* tile,
                                    float (&sums)[kWidth / 8][4]) {
#pragma unroll
  for (int step = 0; step < kBlocks / 2; ++step) {
    unsigned left[4];
    to_left(weights[2 * step], weights[2 * step + 1], left);
#pragma unroll
    for (int pair = 0; pair < kWidth / 16; ++pair) {
      unsigned right[4];
      load_right_transposed<kWidth>(tile, step * 16, pair, right);
      multiply_add(sums[2 * pair], left, right[0], right[1]);
      multiply_add(sums[2 * pair + 1], left, right[2], right[3]);
    }
  }
}

// Half a 16 x kWidth block of sums, times scale, to a row: r 0 for row l / 4, 1 for row l / 4 + 8.
template <int kWidth>
__device__ inline void store_sums(const float (&sums)[kWidth / 8][4], int r, float scale,
                                  core::bfloat16* to) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) {
    *reinterpret_cast<unsigned*>(to + n * 8 + 2 * (lane % 4)) =
        pack(sums[n][2 * r] * scale, sums[n][2 * r + 1] * scale);
  }
}

template <int kWidth>
constexpr std::size_t tensor_attend_bytes() {
  return sizeof(core::bfloat16) * kWidth * (kTensorRows + 4 * kTensorColumns);
}

template <int kWidth, typename Source>
__global__ void __launch_bounds__(kTensorThreads)
    attend_tensor(Source source, Heads heads, const core::bfloat16* qkv, core::bfloat16* out,
                  float* lse) {
  using T = core::bfloat16;
  constexpr int kBlocks = kTensorColumns / 8;
  constexpr int kTile = kTensorColumns * kWidth;
  extern __shared__ __align__(128) unsigned char shared[];
  T* query_tile = reinterpret_cast<T*>(shared);
  T* key_tiles = query_tile + kTensorRows * kWidth;  // two
  T* value_tiles = key_tiles + 2 * kTile;            // two
  __shared__ int positions[2][kTensorColumns];
  __shared__ QueryBounds bounds;
  auto task = source.task(blockIdx.x, blockIdx.y);
  const int rows = task.rows;
  if (rows <= 0) return;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int copied = static_cast<int>(threadIdx.x) / 2;  // the row or column this thread brings
  const int part = static_cast<int>(threadIdx.x) % 2;
  if (threadIdx.x == 0) bounds = {INT_MAX, -1, 0u};
  __syncthreads();
  const T* query = nullptr;
  if (copied < rows) {
    const QueryRow row = task.row(copied);
    query = qkv + heads.query(row.token, row.head);
    if (part == 0) widen_bounds(bounds, row);
  }
  copy_vector<kWidth, 2>(query_tile, copied, part, query, qkv);
  commit_copies();
  // Starts to bring the next keys and values; a group of copies even where there are none.
  const auto bring = [&](int stage, int& position) {
    KeyColumn<T> column;
    const bool more = task.template next<kTensorColumns>(copied, column);
    if (more) {
      copy_vector<kWidth, 2>(key_tiles + stage * kTile, copied, part, column.key, qkv);
      copy_vector<kWidth, 2>(value_tiles + stage * kTile, copied, part, column.value, qkv);
      if (part == 0) positions[stage][copied] = column.position;
    }
    commit_copies();
    position = column.position;
    return more;
  };
  int position = -1;
  bool more = bring(0, position);
  wait_copies<1>();
  __syncthreads();
  unsigned left[kWidth / 16][4];
#pragma unroll
  for (int step = 0; step < kWidth / 16; ++step) {
    load_left<kWidth>(query_tile, warp * 16, step, left[step]);
  }
  QueryRow row[2];
  float largest[2], total[2], sums[kWidth / 8][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int at = warp * 16 + lane / 4 + 8 * r;
    if (at < rows) row[r] = task.row(at);
    largest[r] = minus_infinity<float>();
    total[r] = 0.0f;
  }
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
  const float scale = kLog2e * score_scale<float>(kWidth);
  for (int stage = 0; more; stage ^= 1) {
    int next_position = -1;
    const bool next_more = bring(stage ^ 1, next_position);
    wait_copies<1>();
    const bool hides = task.may_hide(position, bounds.first, bounds.last, bounds.classes);
    const bool masked = __syncthreads_or(hides ? 1 : 0) != 0;
    float scores[kBlocks][4];
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
      scores[n][0] = scores[n][1] = scores[n][2] = scores[n][3] = 0.0f;
    }
#pragma unroll
    for (int step = 0; step < kWidth / 16; ++step) {
#pragma unroll
      for (int pair = 0; pair < kBlocks / 2; ++pair) {
        unsigned right[4];
        load_right<kWidth>(key_tiles + stage * kTile, pair * 16, step, right);
        multiply_add(scores[2 * pair], left[step], right[0], right[1]);
        multiply_add(scores[2 * pair + 1], left[step], right[2], right[3]);
      }
    }
    if (masked) {
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int key = positions[stage][n * 8 + 2 * (lane % 4) + e % 2];
          if (!sees(row[e / 2], key)) scores[n][e] = minus_infinity<float>();
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float now = largest[r];
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
        now = fmaxf(now, fmaxf(scores[n][2 * r], scores[n][2 * r + 1]));
      }
      now = quad_max(now);
      // A row that has seen no key yet has a maximum of -inf: keep it out of the differences.
      const float base = now == minus_infinity<float>() ? 0.0f : __fmul_rn(now, scale);
      // The product as it was rounded then: 1 where the maximum stays.
      const float rescale = power_of_two(__fmul_rn(largest[r], scale) - base);
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores[n][e] = power_of_two(fmaf(scores[n][e], scale, -base));
          sum += scores[n][e];
        }
      }
      largest[r] = now;
      total[r] = total[r] * rescale + sum;
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
        sums[n][2 * r] *= rescale;
        sums[n][2 * r + 1] *= rescale;
      }
    }
    add_weighted<kWidth, kBlocks>(scores, value_tiles + stage * kTile, sums);
    __syncthreads();
    more = next_more;
    position = next_position;
  }
  wait_copies<0>();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = quad_sum(total[r]);
    if (warp * 16 + lane / 4 + 8 * r >= rows) continue;
    store_sums<kWidth>(sums, r, 1.0f / sum, out + heads.out(row[r].token, row[r].head));
    if (lane % 4 == 0) {
      lse[heads.lse(row[r].token, row[r].head)] =
          (__fmul_rn(largest[r], scale) + log2f(sum)) * kLn2;
    }
  }
}

}  // namespace unfold::gsa::kernels::cuda
