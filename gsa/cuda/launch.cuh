// What every launch of a gsa kernel needs: the stream, the device, the check behind it, and the
// switch over dtypes.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/tensor.h"

namespace unfold::gsa::kernels::cuda {

// The stream that all gsa kernels run on.
cudaStream_t stream();

// Throws core::UserError when a call of the CUDA runtime failed.
void check_cuda(cudaError_t status, const char* what);
// The same for the kernel launched last.
void check_launch(const char* kernel);

// Makes a device the current one while it lives.
class OnDevice {
 public:
  explicit OnDevice(core::Device device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int previous_ = 0;
};

// Allows a kernel as much dynamic shared memory as it is launched with.
template <typename Kernel>
void allow_shared_memory(Kernel kernel, std::size_t bytes) {
  if (bytes <= 32 * 1024) return;  // 48 KiB are free, and static shared memory counts too
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
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

// Calls f(std::type_identity<T>{}) with the floating type of the dtype.
template <typename F>
void on_float(core::DType dtype, F&& f) {
  switch (dtype) {
    case core::DType::float64:
      f(std::type_identity<double>{});
      return;
    case core::DType::float32:
      f(std::type_identity<float>{});
      return;
    case core::DType::bfloat16:
      f(std::type_identity<core::bfloat16>{});
      return;
    default:
      break;
  }
  throw core::InternalError("kernel",
                            fmt::format("{} is not a floating dtype", core::name_of(dtype)));
}

// Blocks of `size` that cover `count`.
constexpr std::int64_t blocks_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}
// An extent of a grid; throws core::InternalError when the hardware has not so many.
unsigned grid_extent(std::int64_t blocks);

}  // namespace unfold::gsa::kernels::cuda
