// What every launch of a gsa kernel needs: the stream, the check behind it, and host values on the
// device.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/cuda/context.h"
#include "core/cuda/status.h"
#include "core/kernels/float_types.h"
#include "core/tensor.h"

namespace unfold::gsa::kernels::cuda {

using core::kernels::on_float;

// The stream of the current device (core/cuda/context.h), which every entry point has selected with
// core::cuda::use().
cudaStream_t stream();

// core::cuda::check_status for the kernel launched last.
void check_launch(const char* kernel);

// Allows a kernel as much dynamic shared memory as it is launched with.
template <typename Kernel>
void allow_shared_memory(Kernel kernel, std::size_t bytes) {
  if (bytes <= 32 * 1024) return;  // 48 KiB are free, and static shared memory counts too
  core::cuda::check_status(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                static_cast<int>(bytes)),
                           "asking for shared memory");
}

// Host values on a device, as one int32 tensor. `T` is made of int32 values alone.
template <typename T>
core::Tensor upload(const std::vector<T>& values, core::Device device) {
  static_assert(sizeof(T) % sizeof(std::int32_t) == 0);
  constexpr std::size_t kWords = sizeof(T) / sizeof(std::int32_t);
  const std::span<const std::int32_t> words(reinterpret_cast<const std::int32_t*>(values.data()),
                                            values.size() * kWords);
  return core::Tensor::from(words, {static_cast<std::int64_t>(words.size())}, device);
}
// The same values, of what upload() made.
template <typename T>
const T* uploaded(const core::Tensor& words) {
  return reinterpret_cast<const T*>(words.data<std::int32_t>());
}

// An int32 tensor of any device on the host.
std::vector<std::int32_t> download(const core::Tensor& tensor);

// Zeroes a tensor, in the stream.
void set_zero(const core::Tensor& tensor);

// Blocks of `size` that cover `count`.
constexpr std::int64_t blocks_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}
// An extent of a grid; throws core::InternalError when the hardware has not so many.
unsigned grid_extent(std::int64_t blocks);

}  // namespace unfold::gsa::kernels::cuda
