#include "gsa/cuda/launch.cuh"

#include <limits>

namespace unfold::gsa::kernels::cuda {

cudaStream_t stream() {
  int device = 0;
  core::cuda::check_status(cudaGetDevice(&device), "reading the current GPU");
  return core::cuda::use(device).stream();
}

void check_launch(const char* kernel) {
  core::cuda::check_status(cudaGetLastError(), kernel);
}

void set_zero(const core::Tensor& tensor) {
  if (tensor.bytes() == 0) return;
  core::cuda::check_status(cudaMemsetAsync(tensor.raw(), 0, tensor.bytes(), stream()), "zeroing");
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
