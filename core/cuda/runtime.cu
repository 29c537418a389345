#include <cuda_runtime.h>

#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core::cuda {
namespace {

// Every CUDA call is checked where it is made.
void checked(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clear the sticky part of non-fatal errors
  fail("cuda", "{}: {}", what, cudaGetErrorString(status));
}

class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    checked(cudaGetDevice(&previous_), "reading the current device");
    if (previous_ != device) checked(cudaSetDevice(device), "selecting the device");
  }
  ~DeviceGuard() { cudaSetDevice(previous_); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
};

}  // namespace

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return count;
}

std::string describe() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    return fmt::format("no GPU: {}", cudaGetErrorString(status));
  }
  std::string text = fmt::format("{} GPU{}:", count, count == 1 ? "" : "s");
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};
    checked(cudaGetDeviceProperties(&properties, index), "reading device properties");
    text += fmt::format("{} {} (sm_{}{}, {:.1f} GiB)", index == 0 ? "" : ",", properties.name,
                        properties.major, properties.minor,
                        static_cast<double>(properties.totalGlobalMem) / (1u << 30));
  }
  return text;
}

void* allocate(int device, std::size_t bytes) {
  const DeviceGuard guard(device);
  void* pointer = nullptr;
  const cudaError_t status = cudaMalloc(&pointer, bytes == 0 ? 1 : bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  checked(status, "allocating device memory");
  return pointer;
}

void release(int /*device*/, void* pointer) noexcept {
  cudaFree(pointer);
}

void copy(Device to_device, void* to, Device from_device, const void* from, std::size_t bytes) {
  const DeviceGuard guard(to_device.is_cpu() ? from_device.index : to_device.index);
  checked(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "copying");
}

}  // namespace unfold::core::cuda
