// Many tensors in one launch: a list is cut into chunks of at most kListChunk elements of one
// tensor, and a block takes one chunk. The cut is a function of the sizes alone.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "core/cuda/launch.cuh"

namespace unfold::core::kernels::cuda {

inline constexpr std::int64_t kListChunk = 8192;

// On the host, while a list grows: the first chunk of every tensor.
struct ListChunks {
  std::vector<std::int32_t> first;
  std::int64_t count = 0;

  void add(std::int64_t size) {
    first.push_back(static_cast<std::int32_t>(count));
    count += divide_up(size, kListChunk);
    check(count <= std::numeric_limits<std::int32_t>::max(), "kernel",
          "{} chunks of tensors: too many for one launch", count);
  }
};

// Host values as bytes on a device.
template <typename T>
Tensor upload_bytes(const std::vector<T>& values, Device device) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(values.data()),
                                            values.size() * sizeof(T));
  return Tensor::from(bytes, {static_cast<std::int64_t>(bytes.size())}, device);
}
template <typename T>
const T* uploaded(const Tensor& bytes) {
  return reinterpret_cast<const T*>(bytes.data<std::uint8_t>());
}

// The tensor that a chunk belongs to: the last one that begins at or before it (tensors without
// elements begin where the next one does). All threads of the block come here, and all get it.
__device__ inline int tensor_of_chunk(const std::int32_t* first, int tensors, int chunk) {
  int begun = 0;
  for (int base = 0; base < tensors; base += static_cast<int>(blockDim.x)) {
    const int tensor = base + static_cast<int>(threadIdx.x);
    begun += __syncthreads_count(tensor < tensors && first[tensor] <= chunk);
  }
  return begun - 1;
}

}  // namespace unfold::core::kernels::cuda
