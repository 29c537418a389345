// One value on the device: conversions, functions of both precisions, and sums over a warp.
#pragma once

#include <cuda_bf16.h>

#include <type_traits>

#include "core/kernels/float_types.h"

namespace unfold::core::kernels::cuda {

// The value in the type arithmetic is done in.
__device__ inline float widen(bfloat16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
__device__ inline float widen(float value) {
  return value;
}
__device__ inline double widen(double value) {
  return value;
}

// The inverse, rounded to nearest, ties to even.
template <typename T>
__device__ inline T narrow(Accumulator<T> value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    bfloat16 result;
    result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return result;
  } else {
    return value;
  }
}

// Functions of both precisions.
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
__device__ inline float square_root(float x) {
  return sqrtf(x);
}
__device__ inline double square_root(double x) {
  return sqrt(x);
}

inline constexpr unsigned kFullWarp = 0xffffffffu;

// The sum over a warp, in every lane; the order is fixed.
template <typename A>
__device__ inline A warp_sum(A value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kFullWarp, value, offset);
  return value;
}

}  // namespace unfold::core::kernels::cuda
