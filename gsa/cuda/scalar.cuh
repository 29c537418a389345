// Values on the device, as core's kernels take them, and what attention needs besides.
#pragma once

#include <limits>

#include "core/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {

using core::kernels::Accumulator;
using core::kernels::cuda::exponential;
using core::kernels::cuda::kFullWarp;
using core::kernels::cuda::logarithm;
using core::kernels::cuda::narrow;
using core::kernels::cuda::square_root;
using core::kernels::cuda::warp_sum;
using core::kernels::cuda::widen;

inline constexpr int kWarp = 32;

template <typename A>
__device__ inline A minus_infinity() {
  return -std::numeric_limits<A>::infinity();
}

// 1 / sqrt(width).
template <typename A>
__device__ inline A score_scale(int width) {
  return A(1) / square_root(static_cast<A>(width));
}

// Every lane gets the result.
template <typename A>
__device__ inline A warp_max(A value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const A other = __shfl_xor_sync(kFullWarp, value, offset);
    value = value > other ? value : other;
  }
  return value;
}

}  // namespace unfold::gsa::kernels::cuda
