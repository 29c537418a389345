#include "train/speed.h"

#include <gtest/gtest.h>

namespace unfold::train {
namespace {

Plan example() {
  Plan plan;
  plan.forward = {100, 20};
  plan.backward = {200, 50};
  plan.recompute = {100, 20};
  plan.parameters.mlp = 10;
  return plan;
}

TEST(Speed, RecomputedActivationsAreNoWorkOfTheModel) {
  EXPECT_DOUBLE_EQ(model_flops(example()), 370);
  EXPECT_DOUBLE_EQ(mfu(example(), 2, 370), 0.5);
  EXPECT_DOUBLE_EQ(mfu(example(), 0, 370), 0);
  EXPECT_DOUBLE_EQ(mfu(example(), 2, 0), 0);
}

// bfloat16: master, two moments read and written, gradient written and read, all in float32; the
// parameter. float32: the parameter is the master.
TEST(Speed, SpeedOfLightIsArithmeticAndTheOptimizersState) {
  const core::Roofline roofline = {37, 10};
  EXPECT_DOUBLE_EQ(speed_of_light(example(), core::DType::bfloat16, roofline), 10 + 34);
  EXPECT_DOUBLE_EQ(speed_of_light(example(), core::DType::float32, roofline), 10 + 32);
}

}  // namespace
}  // namespace unfold::train
