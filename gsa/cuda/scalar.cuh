// Elements on the device: the type arithmetic is done in, conversions, and sums over a warp.
#pragma once

#include <cuda_bf16.h>

#include <limits>
#include <type_traits>

#include "core/dtype.h"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// float for bfloat16, else the type itself.
template <typename T>
using Accumulator = std::conditional_t<std::is_same_v<T, core::bfloat16>, float, T>;

__device__ inline double widen(double value) {
  return value;
}
__device__ inline float widen(float value) {
  return value;
}
__device__ inline float widen(core::bfloat16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}

// To T, rounding to nearest, ties to even.
template <typename T>
__device__ inline T narrow(Accumulator<T> value) {
  if constexpr (std::is_same_v<T, core::bfloat16>) {
    core::bfloat16 rounded;
    rounded.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return rounded;
  } else {
    return value;
  }
}

template <typename A>
__device__ inline A minus_infinity() {
  return -std::numeric_limits<A>::infinity();
}

__device__ inline float exponential(float x) {
  return expf(x);
}
__device__ inline double exponential(double x) {
  return exp(x);
}
__device__ inline float logarithm(float x) {
  return logf(x);
}
__device__ inline double logarithm(double x) {
  return log(x);
}

// 1 / sqrt(width).
template <typename A>
__device__ inline A score_scale(int width) {
  return A(1) / sqrt(static_cast<A>(width));
}

// Every lane gets the result; the order of the sum is fixed.
template <typename A>
__device__ inline A warp_sum(A value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, offset);
  }
  return value;
}
template <typename A>
__device__ inline A warp_max(A value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const A other = __shfl_xor_sync(kAllLanes, value, offset);
    value = value > other ? value : other;
  }
  return value;
}

}  // namespace unfold::gsa::kernels::cuda
