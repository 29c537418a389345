#include "core/device_clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/kernels/elementwise.h"
#include "core/tensor.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

TEST(DeviceClock, SecondsOfEveryPiece) {
  DeviceClock clock({});
  EXPECT_TRUE(clock.seconds().empty());
  clock.mark();
  EXPECT_TRUE(clock.seconds().empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  clock.mark();
  clock.mark();
  const std::vector<double> seconds = clock.seconds();
  ASSERT_EQ(seconds.size(), 2u);
  EXPECT_GE(seconds[0], 0.02);
  EXPECT_GE(seconds[1], 0);
  wait_for({});
}

// What is timed is the work on the device, not the call that asks for it.
TEST(DeviceClock, CudaTimesTheKernels) {
  UNFOLD_NEEDS_GPU();
  const Device cuda = {DeviceType::cuda, 0};
  const Tensor x = Tensor::zeros({64 << 20}, DType::float32, cuda);
  const Tensor y = Tensor::zeros({64 << 20}, DType::float32, cuda);
  wait_for(cuda);
  DeviceClock clock(cuda);
  clock.mark();
  for (int i = 0; i < 10; ++i) kernels::add(x, y, y);
  clock.mark();
  kernels::add(x, y, y);
  clock.mark();
  const std::vector<double> seconds = clock.seconds();
  ASSERT_EQ(seconds.size(), 2u);
  EXPECT_GT(seconds[1], 768e6 / 40e12);  // no memory is as fast as that
  EXPECT_GT(seconds[0], 5 * seconds[1]);
  EXPECT_LT(seconds[0], 1);
}

}  // namespace
}  // namespace unfold::core
