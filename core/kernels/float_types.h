// What CPU and CUDA kernels share: the type arithmetic is done in, and the switch over dtypes.
#pragma once

#include <type_traits>
#include <utility>

#include "core/dtype.h"
#include "core/error.h"

namespace unfold::core::kernels {

// The type arithmetic is done in: float for bfloat16, else the type itself.
template <typename T>
using Accumulator = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;

// Calls f(std::type_identity<T>{}) with the floating type of the dtype.
template <typename F>
void on_float(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      f(std::type_identity<double>{});
      return;
    case DType::float32:
      f(std::type_identity<float>{});
      return;
    case DType::bfloat16:
      f(std::type_identity<bfloat16>{});
      return;
    default:
      break;
  }
  throw InternalError("kernel", fmt::format("{} is not a floating dtype", name_of(dtype)));
}

}  // namespace unfold::core::kernels
