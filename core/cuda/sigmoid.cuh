// The gate of SwiGLU.
#pragma once

#include "core/cuda/scalar.cuh"

namespace unfold::core::kernels::cuda {

// 1 / (1 + exp(-x)). For bfloat16, whose rounding is a thousand times coarser, by the fast units.
template <typename T>
__device__ inline Accumulator<T> sigmoid_of(Accumulator<T> x) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return __fdividef(1.0f, 1.0f + __expf(-x));
  } else {
    return Accumulator<T>(1) / (Accumulator<T>(1) + exponential(-x));
  }
}

}  // namespace unfold::core::kernels::cuda
