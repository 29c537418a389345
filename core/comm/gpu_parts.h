// What exchanges between GPUs share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/cuda/runtime.h"
#include "core/tensor.h"

namespace unfold::core {

// A mark of a stream (core/cuda/runtime.h) that is released when nobody needs it.
inline std::shared_ptr<void> owned(void* mark) {
  return {mark, cuda::release_mark};
}

// Bytes of so many elements of a tensor, and where an element lies in its memory.
inline std::size_t bytes_of(const Tensor& tensor, std::int64_t elements) {
  return static_cast<std::size_t>(elements) * size_of(tensor.dtype());
}
inline char* at(const Tensor& tensor, std::int64_t element) {
  return static_cast<char*>(tensor.raw()) + bytes_of(tensor, element);
}

}  // namespace unfold::core
