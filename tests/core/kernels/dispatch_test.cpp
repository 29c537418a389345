// Which device a kernel runs on.
#include <gtest/gtest.h>

#include "core/kernels/elementwise.h"
#include "core/kernels/without_cuda.h"
#include "tests/core/tensor_helpers.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

TEST(Dispatch, ADeviceThatIsNotThereIsAUsersError) {
  if (cuda_device_count() > 0) GTEST_SKIP() << "there is a CUDA device: " << describe_cuda();
  EXPECT_THROW(Tensor::zeros({2}, DType::float32, Device{DeviceType::cuda, 0}), UserError);
}

TEST(Dispatch, AMissingCudaKernelNamesItself) {
  try {
    kernels::without_cuda("swiglu");
    FAIL() << "must throw";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("swiglu"), std::string::npos) << error.what();
  }
}

TEST(Dispatch, TensorsOnTwoDevicesAreRefused) {
  UNFOLD_NEEDS_GPU();
  const Tensor here = Tensor::empty({2}, DType::float32);
  const Tensor there = Tensor::empty({2}, DType::float32, Device{DeviceType::cuda, 0});
  EXPECT_THROW(kernels::add(here, there, here), InternalError);
  EXPECT_THROW(kernels::add(there, here, there), InternalError);
}

}  // namespace
}  // namespace unfold::core
