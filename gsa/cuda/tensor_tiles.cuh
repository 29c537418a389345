// What the tensor-core kernels share: sizes, tiles in shared memory, small reductions.
#pragma once

#include <climits>

#include "gsa/cuda/products.cuh"
#include "gsa/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kColumns = 64;  // keys or queries that come at a time
inline constexpr float kLog2e = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;

// Tiles start at multiples of 1024 bytes: room to round up.
inline constexpr std::size_t kTileAlignment = 1024;
template <int kWidth>
constexpr std::size_t tensor_tile_bytes(int rows) {
  return sizeof(core::bfloat16) * kWidth * static_cast<std::size_t>(rows) + kTileAlignment;
}
__device__ inline core::bfloat16* first_tile(unsigned char* shared) {
  const unsigned past = shared_address(shared) % kTileAlignment;
  return reinterpret_cast<core::bfloat16*>(shared + (kTileAlignment - past) % kTileAlignment);
}

// Calls take(row, piece) for all pieces of kRows vectors, shared among kThreads threads so that
// neighbours take neighbouring pieces.
template <int kWidth, int kRows, int kThreads, typename Take>
__device__ inline void for_pieces(Take&& take) {
  constexpr int kPieces = kWidth / kPiece;
  constexpr int kPerPass = kThreads / kPieces;
  static_assert(kRows % kPerPass == 0);
  const int piece = static_cast<int>(threadIdx.x) % kPieces;
  const int row = static_cast<int>(threadIdx.x) / kPieces;
#pragma unroll
  for (int pass = 0; pass < kRows / kPerPass; ++pass) take(row + pass * kPerPass, piece);
}

// Of a query, for the backward: log-sum-exp in powers of two, and delta (gsa/cuda/attend.cuh).
struct __align__(8) QueryFacts {
  float lse, delta;
};

// Over the four lanes that hold a row.
__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(kFullWarp, value, 1);
  return value + __shfl_xor_sync(kFullWarp, value, 2);
}
__device__ inline float quad_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(kFullWarp, value, 1));
  return fmaxf(value, __shfl_xor_sync(kFullWarp, value, 2));
}

template <int kBlocks>
__device__ inline void set_zero(float (&sums)[kBlocks][4]) {
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
}

// Half of a thread's sums, times scale, to a vector: r 0 for row l / 4, 1 for row l / 4 + 8.
template <int kBlocks>
__device__ inline void store_sums(const float (&sums)[kBlocks][4], int r, float scale,
                                  core::bfloat16* to) {
  to += 2 * (threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) {
    *reinterpret_cast<unsigned*>(to + n * 8) =
        pack(sums[n][2 * r] * scale, sums[n][2 * r + 1] * scale);
  }
}
// The same as they are.
template <int kBlocks>
__device__ inline void store_sums(const float (&sums)[kBlocks][4], int r, float* to) {
  to += 2 * (threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) {
    *reinterpret_cast<float2*>(to + n * 8) = make_float2(sums[n][2 * r], sums[n][2 * r + 1]);
  }
}

}  // namespace unfold::gsa::kernels::cuda
