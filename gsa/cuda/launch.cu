#include "gsa/cuda/launch.cuh"

#include <limits>

#include "core/cuda/context.h"

namespace unfold::gsa::kernels::cuda {

cudaStream_t stream() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "reading the current device");
  return core::cuda::use(device).stream();
}

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clear the sticky part of errors that are not fatal
  core::fail("cuda", "{}: {}", what, cudaGetErrorString(status));
}

void check_launch(const char* kernel) {
  check_cuda(cudaGetLastError(), kernel);
}

OnDevice::OnDevice(core::Device device) {
  check_cuda(cudaGetDevice(&previous_), "reading the current device");
  if (previous_ != device.index) check_cuda(cudaSetDevice(device.index), "selecting the device");
}
OnDevice::~OnDevice() {
  cudaSetDevice(previous_);
}

void set_zero(const core::Tensor& tensor) {
  if (tensor.bytes() == 0) return;
  check_cuda(cudaMemsetAsync(tensor.raw(), 0, tensor.bytes(), stream()), "zeroing");
}

std::vector<std::int32_t> download(const core::Tensor& tensor) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(tensor.size()));
  core::copy_bytes(core::Device{}, values.data(), tensor.device(), tensor.raw(), tensor.bytes());
  return values;
}

unsigned grid_extent(std::int64_t blocks) {
  core::check(blocks >= 0 && blocks <= std::numeric_limits<std::int32_t>::max(), "cuda",
              "{} blocks in a grid", blocks);
  return static_cast<unsigned>(blocks);
}

}  // namespace unfold::gsa::kernels::cuda
