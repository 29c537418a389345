// What the tests of the CUDA kernels share: the GPU, or the reason why there is none, and tensors
// made on the host, so that a test needs no kernel but the one it is about.
#pragma once

#include <cstdlib>
#include <vector>

#include "core/tensor.h"
#include "tests/support/gpu.h"

namespace unfold::gsa {

// These tests are of our own kernels, which cuDNN would stand in for (gsa/cuda/cudnn_attention.h);
// its own test turns it on again.
inline const bool kWithoutCudnn = ::setenv("UNFOLD_CUDNN", "0", 1) == 0;

inline constexpr core::Device kGpu{core::DeviceType::cuda, 0};

inline core::Tensor make_tensor(const std::vector<double>& values, const core::Shape& shape,
                                core::DType dtype, core::Device device) {
  return core::Tensor::from(values, shape).to(dtype).to(device);
}
// A tensor whose every element is `value`: to see what a kernel leaves alone.
inline core::Tensor filled(const core::Shape& shape, double value, core::DType dtype,
                           core::Device device) {
  return core::Tensor::full(shape, value, dtype).to(device);
}

// What an attention kernel and its backward write.
struct AttentionResult {
  std::vector<double> out, lse, dqkv;
  bool operator==(const AttentionResult&) const = default;
};

}  // namespace unfold::gsa
