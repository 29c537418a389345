#include "core/profile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"

namespace unfold::core {
namespace {

TEST(Profile, CountsKernelsByNameWhileItIsOn) {
  const Tensor x = Tensor::zeros({8, 8}, DType::float32);
  start_profile();
  kernels::add(x, x, x);
  kernels::add(x, x, x);
  kernels::matmul(x, false, x, false, 1.0, 0.0, Tensor::empty({8, 8}, DType::float32));
  const std::vector<KernelTime> times = stop_profile();
  kernels::add(x, x, x);  // not counted: profiling is off

  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[0].seconds, times[1].seconds);
  for (const KernelTime& time : times) {
    EXPECT_GE(time.seconds, 0.0);
    EXPECT_EQ(time.calls, time.name == "add" ? 2 : 1) << time.name;
    EXPECT_EQ(time.bytes, (time.name == "add" ? 2 : 1) * 3 * 8 * 8 * 4) << time.name;
  }
  EXPECT_TRUE(std::any_of(times.begin(), times.end(),
                          [](const KernelTime& time) { return time.name == "matmul"; }));
}

TEST(Profile, StartsFromZero) {
  const Tensor x = Tensor::zeros({4}, DType::float32);
  start_profile();
  kernels::add(x, x, x);
  start_profile();
  EXPECT_TRUE(stop_profile().empty());
}

TEST(Profile, PlansAreNotCounted) {
  const Tensor x = Tensor::empty({4}, DType::float32, {DeviceType::meta, 0});
  start_profile();
  kernels::add(x, x, x);
  EXPECT_TRUE(stop_profile().empty());
}

}  // namespace
}  // namespace unfold::core
