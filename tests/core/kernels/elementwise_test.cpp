#include "core/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::kFloatTypes;
using testing::random_tensor;
using testing::values_of;

constexpr DType kAllTypes[] = {DType::float64, DType::float32, DType::bfloat16, DType::int64,
                               DType::int32,   DType::uint8,   DType::boolean};

// got[i] is f(i) rounded to dtype, give or take one more rounding in the accumulator.
void expect_rounded(const Tensor& got, const std::function<double(std::size_t)>& f) {
  const std::vector<double> values = values_of(got);
  const double epsilon = testing::epsilon_of(got.dtype());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], f(i), epsilon * (std::abs(f(i)) + 1e-6)) << name_of(got.dtype());
  }
}

TEST(Elementwise, ArithmeticInEveryFloatingDtype) {
  for (const DType dtype : kFloatTypes) {
    for (const std::int64_t size : {0, 1, 13, 70001}) {
      const Tensor a = random_tensor({size}, dtype, 1);
      const Tensor b = random_tensor({size}, dtype, 2);
      const std::vector<double> left = values_of(a);
      const std::vector<double> right = values_of(b);
      const Tensor y = Tensor::empty({size}, dtype);
      kernels::add(a, b, y);
      expect_rounded(y, [&](std::size_t i) { return left[i] + right[i]; });
      kernels::multiply(a, b, y);
      expect_rounded(y, [&](std::size_t i) { return left[i] * right[i]; });
      kernels::scale(a, -0.75, y);
      expect_rounded(y, [&](std::size_t i) { return -0.75 * left[i]; });
      const Tensor sum = b.clone();
      kernels::accumulate(a, 0.5, sum);
      const double slack = testing::epsilon_of(dtype);  // the sum can cancel
      const std::vector<double> sums = values_of(sum);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        ASSERT_NEAR(sums[i], right[i] + 0.5 * left[i],
                    slack * (std::abs(right[i]) + std::abs(left[i])));
      }
    }
  }
}

TEST(Elementwise, OutputMayBeAnInput) {
  for (const DType dtype : kFloatTypes) {
    const Tensor x = random_tensor({1000}, dtype, 3);
    const Tensor expected = Tensor::empty({1000}, dtype);
    kernels::add(x, x, expected);
    kernels::add(x, x, x);
    EXPECT_TRUE(testing::same_bits(x, expected));
    kernels::multiply(x, x, expected);
    kernels::multiply(x, x, x);
    EXPECT_TRUE(testing::same_bits(x, expected));
  }
}

TEST(Elementwise, FillsEveryDtype) {
  for (const DType dtype : kAllTypes) {
    const Tensor x = Tensor::empty({50001}, dtype);
    kernels::fill(x, 1.0);
    EXPECT_EQ(values_of(x), std::vector<double>(50001, 1.0)) << name_of(dtype);
    kernels::fill(x.slice(0, 10, 20), 0.0);
    EXPECT_EQ(values_of(x.slice(0, 9, 21)),
              (std::vector<double>{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  }
}

TEST(Copy, BetweenAllPairsOfDtypes) {
  const std::vector<double> values = {0, 1, 2, 5, 100, 127, 0, 3};
  for (const DType from : kAllTypes) {
    const Tensor x = Tensor::from(values, {2, 4}).to(from);
    for (const DType to : kAllTypes) {
      for (const bool transposed : {false, true}) {
        const Tensor source = transposed ? x.transpose(0, 1) : x;
        const Tensor target = Tensor::empty(source.shape(), to);
        kernels::copy(source, target);
        std::vector<double> expected = values_of(source);
        if (to == DType::boolean) {
          for (double& value : expected) value = value != 0;
        }
        EXPECT_EQ(values_of(target), expected) << name_of(from) << " to " << name_of(to);
      }
    }
  }
}

TEST(Copy, RoundsToBfloat16Once) {
  const Tensor x = Tensor::from(std::vector<float>{1.0f + 0x1p-8f, 1.0f + 0x1p-7f + 0x1p-8f}, {2});
  EXPECT_EQ(values_of(x.to(DType::bfloat16)), (std::vector<double>{1.0, 1.0 + 0x1p-6}));
}

// Views of a 4-dimensional tensor, in and out, against index arithmetic.
TEST(Copy, BetweenStridedViews) {
  const Tensor x = random_tensor({3, 5, 4, 6}, DType::float32, 4);
  const Tensor from = x.slice(1, 1, 4).slice(3, 2, 6).transpose(0, 2).transpose(1, 3);
  const Tensor whole = Tensor::full({8, 4, 3, 3}, -1.0, DType::float64);
  const Tensor to = whole.slice(0, 3, 7);
  ASSERT_EQ(from.shape(), to.shape());
  kernels::copy(from, to);
  const std::vector<double> source = values_of(x);
  const std::vector<double> target = values_of(whole);
  for (std::int64_t a = 0; a < 4; ++a) {
    for (std::int64_t b = 0; b < 4; ++b) {
      for (std::int64_t c = 0; c < 3; ++c) {
        for (std::int64_t d = 0; d < 3; ++d) {
          // from[a, b, c, d] = x[c, d + 1, a, b + 2]
          ASSERT_EQ(target[static_cast<std::size_t>((((a + 3) * 4 + b) * 3 + c) * 3 + d)],
                    source[static_cast<std::size_t>(((c * 5 + d + 1) * 4 + a) * 6 + b + 2)]);
        }
      }
    }
  }
  EXPECT_EQ(values_of(whole.slice(0, 0, 3)), std::vector<double>(108, -1.0));
  EXPECT_EQ(values_of(whole.slice(0, 7, 8)), std::vector<double>(36, -1.0));
}

TEST(Copy, RefusesOtherShapes) {
  EXPECT_THROW(
      kernels::copy(Tensor::zeros({2, 3}, DType::float32), Tensor::zeros({3, 2}, DType::float32)),
      InternalError);
}

TEST(Dropout, KeepsTheShareItShouldAndScalesIt) {
  constexpr std::int64_t kCount = 100000;
  for (const DType dtype : kFloatTypes) {
    const Tensor ones = Tensor::full({kCount}, 1.0, dtype);
    for (const double p : {0.0, 0.1, 0.5, 0.9}) {
      const Tensor y = Tensor::empty({kCount}, dtype);
      kernels::dropout(ones, p, 7, 1, 0, y);
      int kept = 0;
      int pairs = 0;
      double previous = 0;
      for (const double value : values_of(y)) {
        if (value != 0) {
          ASSERT_NEAR(value, 1 / (1 - p), testing::epsilon_of(dtype) / (1 - p));
          ++kept;
          pairs += previous != 0;
        }
        previous = value;
      }
      const double deviation = 5 * std::sqrt(kCount * p * (1 - p)) + 1e-9;
      EXPECT_NEAR(kept, kCount * (1 - p), deviation);
      EXPECT_NEAR(pairs, kCount * (1 - p) * (1 - p), 2 * deviation + 1);  // neighbours independent
    }
  }
}

TEST(Dropout, TheMaskIsAFunctionOfSeedAndStream) {
  const Tensor ones = Tensor::full({1001}, 1.0, DType::float32);
  const auto mask = [&](std::uint64_t seed, std::uint64_t stream, DType dtype) {
    const Tensor y = Tensor::empty({1001}, dtype);
    kernels::dropout(ones.to(dtype), 0.5, seed, stream, 0, y);
    return values_of(y);
  };
  const std::vector<double> reference = mask(1, 2, DType::float32);
  EXPECT_EQ(mask(1, 2, DType::float32), reference);
  EXPECT_EQ(mask(1, 2, DType::float64), reference);
  EXPECT_EQ(mask(1, 2, DType::bfloat16), reference);
  EXPECT_NE(mask(1, 3, DType::float32), reference);
  EXPECT_NE(mask(2, 2, DType::float32), reference);
  for (std::size_t i = 0; i < 1001; ++i) {  // word i % 4 of block i / 4
    EXPECT_EQ(reference[i] != 0, philox(1, 2, i / 4)[i % 4] >= 0x80000000u);
  }
  // A part that says where it begins has its part of the mask.
  const Tensor part = Tensor::empty({501}, DType::float32);
  kernels::dropout(ones.slice(0, 0, 501), 0.5, 1, 2, 500, part);
  EXPECT_EQ(values_of(part), std::vector<double>(reference.begin() + 500, reference.end()));
}

TEST(Kernels, RefuseIntegersAndWrongDtypes) {
  const Tensor integers = Tensor::zeros({4}, DType::int32);
  EXPECT_THROW(kernels::add(integers, integers, integers), InternalError);
  const Tensor narrow = Tensor::zeros({4}, DType::float32);
  const Tensor wide = Tensor::zeros({4}, DType::float64);
  EXPECT_THROW(kernels::add(narrow, wide, narrow), InternalError);
}

// A factor in a tensor gives the bits of the same factor as a number.
TEST(Elementwise, FactorsInTensors) {
  for (const DType dtype : testing::kFloatTypes) {
    const Tensor x = testing::random_tensor({70}, dtype, 1);
    const Tensor factor = Tensor::full({}, 0.3, accumulator_of(dtype));
    const Tensor number = testing::random_tensor({70}, dtype, 2);
    const Tensor tensor = number.clone();
    kernels::accumulate(x, factor.item(), number);
    kernels::accumulate_by(x, factor, tensor);
    EXPECT_TRUE(testing::same_bits(tensor, number));
    kernels::scale(x, factor.item(), number);
    kernels::scale_by(x, factor, tensor);
    EXPECT_TRUE(testing::same_bits(tensor, number));
  }
}

}  // namespace
}  // namespace unfold::core
