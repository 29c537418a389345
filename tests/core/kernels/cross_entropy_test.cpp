#include <gtest/gtest.h>

#include <limits>

#include "core/kernels/nn.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::epsilon_of;
using testing::kFloatTypes;
using testing::random_tensor;
using testing::values_of;

struct Reference {
  std::vector<double> losses;
  std::vector<double> gradient;
};

Reference reference(const Tensor& logits, const std::vector<std::int32_t>& targets) {
  const auto width = static_cast<std::size_t>(logits.dim(1));
  const auto in = values_of(logits);
  Reference result{std::vector<double>(targets.size(), 0.0), std::vector<double>(in.size(), 0.0)};
  for (std::size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] < 0) continue;
    double most = -HUGE_VAL;
    for (std::size_t j = 0; j < width; ++j) most = std::max(most, in[n * width + j]);
    double total = 0;
    for (std::size_t j = 0; j < width; ++j) total += std::exp(in[n * width + j] - most);
    const auto target = static_cast<std::size_t>(targets[n]);
    result.losses[n] = std::log(total) + most - in[n * width + target];
    for (std::size_t j = 0; j < width; ++j) {
      result.gradient[n * width + j] =
          std::exp(in[n * width + j] - most) / total - (j == target ? 1.0 : 0.0);
    }
  }
  return result;
}

void expect_cross_entropy(const Tensor& logits, const std::vector<std::int32_t>& targets) {
  const Reference expected = reference(logits, targets);
  const DType wide = accumulator_of(logits.dtype());
  const Tensor losses = Tensor::full({logits.dim(0)}, -1.0, wide);
  const Tensor only_losses = Tensor::full({logits.dim(0)}, -1.0, wide);
  const Tensor before = logits.clone();
  kernels::cross_entropy(logits, testing::int_tensor(targets), false, only_losses);
  EXPECT_TRUE(testing::same_bits(logits, before)) << "logits changed without a gradient";
  const Tensor gradient = logits.clone();
  kernels::cross_entropy(gradient, testing::int_tensor(targets), true, losses);
  const double scale = 1 + testing::largest(values_of(before));
  EXPECT_LE(testing::worst_difference(values_of(losses), expected.losses),
            8 * epsilon_of(wide) * scale);
  EXPECT_LE(testing::worst_difference(values_of(only_losses), expected.losses),
            8 * epsilon_of(wide) * scale);
  EXPECT_LE(testing::worst_difference(values_of(gradient), expected.gradient),
            epsilon_of(logits.dtype()) + 16 * epsilon_of(wide) * scale);
}

TEST(CrossEntropy, AgainstFloat64) {
  for (const DType dtype : kFloatTypes) {
    expect_cross_entropy(random_tensor({1, 1}, dtype, 1), {0});
    expect_cross_entropy(random_tensor({4, 7}, dtype, 2, 3.0), {6, 0, 3, 3});
    expect_cross_entropy(random_tensor({9, 1003}, dtype, 3), {1002, 0, 1, 2, 3, 4, 5, 6, 7});
    expect_cross_entropy(random_tensor({0, 5}, dtype, 4), {});
  }
}

TEST(CrossEntropy, IgnoredRowsHaveNoLossAndNoGradient) {
  for (const DType dtype : kFloatTypes) {
    expect_cross_entropy(random_tensor({5, 11}, dtype, 5), {-1, 4, -100, 10, -1});
    const Tensor logits =
        Tensor::full({1, 3}, std::numeric_limits<double>::quiet_NaN(), dtype);  // e.g. padding
    const Tensor losses = Tensor::empty({1}, accumulator_of(dtype));
    kernels::cross_entropy(logits, testing::int_tensor({-1}), true, losses);
    EXPECT_EQ(losses.item(), 0.0);
    EXPECT_EQ(values_of(logits), std::vector<double>(3, 0.0));
  }
}

TEST(CrossEntropy, ExtremeLogits) {
  for (const DType dtype : kFloatTypes) {
    const std::vector<double> rows = {1e4,  -1e4, 0,     // sure and right
                                      1e4,  -1e4, 0,     // sure and wrong
                                      -1e4, -1e4, -1e4,  // all very low
                                      1e30, 1e30, 0};    // two that share everything
    const Tensor logits = Tensor::from(rows, {4, 3}).to(dtype);
    const double high = values_of(logits)[0];
    const Tensor losses = Tensor::empty({4}, accumulator_of(dtype));
    kernels::cross_entropy(logits, testing::int_tensor({0, 1, 2, 0}), true, losses);
    const auto loss = values_of(losses);
    EXPECT_EQ(loss[0], 0.0);
    EXPECT_EQ(loss[1], 2 * high);
    EXPECT_NEAR(loss[2], std::log(3.0), 1e-3);  // spacing of float32 near 1e4
    const auto gradient = values_of(logits);
    const double expected[] = {0, 0, 0, 1, -1, 0, 1 / 3.0, 1 / 3.0, -2 / 3.0, -0.5, 0.5, 0};
    for (std::size_t i = 0; i < 12; ++i) {
      EXPECT_NEAR(gradient[i], expected[i], epsilon_of(dtype)) << i;
    }
  }
}

// A diverged run must be seen: no guard may turn an overflowed logit into a finite loss.
TEST(CrossEntropy, NonFiniteLogitsGiveANonFiniteLoss) {
  for (const double bad : {HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}) {
    for (const std::int64_t width : {3, 64, 100}) {
      for (const std::int64_t at : {std::int64_t{0}, width - 1}) {
        const Tensor logits = Tensor::zeros({1, width}, DType::float32);
        logits.data<float>()[at] = static_cast<float>(bad);
        const Tensor losses = Tensor::empty({1}, DType::float32);
        kernels::cross_entropy(logits, testing::int_tensor({1}), false, losses);
        EXPECT_FALSE(std::isfinite(losses.item())) << bad << " at " << at << " of " << width;
      }
    }
  }
}

}  // namespace
}  // namespace unfold::core
