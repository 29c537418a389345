#include "core/kernels/reduce.h"

#include <gtest/gtest.h>

#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::kFloatTypes;
using testing::random_tensor;
using testing::values_of;

TEST(Reduce, SumOfManySizes) {
  for (const DType dtype : kFloatTypes) {
    for (const std::int64_t size : {0, 1, 7, 4095, 4096, 4097, 100003}) {
      const Tensor x = random_tensor({size}, dtype, 1);
      const Tensor y = Tensor::empty({}, accumulator_of(dtype));
      kernels::sum(x, y);
      double expected = 0;
      double absolute = 0;
      for (const double value : values_of(x)) {
        expected += value;
        absolute += std::abs(value);
      }
      const double rounding = testing::epsilon_of(y.dtype()) * std::abs(expected);
      EXPECT_NEAR(y.item(), expected, rounding + 1e-15 * absolute) << name_of(dtype) << size;
    }
  }
}

// Accumulated in double: a float sum of these would stop growing at 2^24, and lose the small ones.
TEST(Reduce, SumDoesNotStall) {
  const Tensor ones = Tensor::full({(1 << 24) + 1000}, 1.0, DType::bfloat16);
  const Tensor y = Tensor::empty({}, DType::float32);
  kernels::sum(ones, y);
  EXPECT_EQ(y.item(), (1 << 24) + 1000);
  const Tensor mixed = Tensor::full({1000}, 1.0, DType::float32);
  mixed.data<float>()[0] = 0x1p30f;
  mixed.data<float>()[999] = -0x1p30f;
  kernels::sum(mixed, y);
  EXPECT_EQ(y.item(), 998);
}

TEST(Reduce, SquaredNormIsAddedInDouble) {
  for (const DType dtype : kFloatTypes) {
    const Tensor x = random_tensor({7, 1001}, dtype, 2);
    const Tensor total = Tensor::full({}, 3.0, DType::float64);
    kernels::add_squared_norm(x, total);
    double expected = 3.0;
    for (const double value : values_of(x)) expected += value * value;
    EXPECT_NEAR(total.item(), expected, 1e-13 * expected);
  }
  const Tensor large = Tensor::full({10}, 1e30, DType::float32);  // the square overflows a float
  const Tensor total = Tensor::zeros({}, DType::float64);
  kernels::add_squared_norm(large, total);
  EXPECT_NEAR(total.item() / 1e61, 1.0, 1e-6);
}

TEST(Reduce, SquaredNormsOfAListAddUp) {
  for (const DType dtype : kFloatTypes) {
    std::vector<Tensor> xs;
    const Tensor one_by_one = Tensor::full({}, 2.0, DType::float64);
    for (const std::int64_t size : {7, 0, 30000, 1}) {
      xs.push_back(random_tensor({size}, dtype, static_cast<std::uint64_t>(size)));
      kernels::add_squared_norm(xs.back(), one_by_one);
    }
    const Tensor at_once = Tensor::full({}, 2.0, DType::float64);
    kernels::add_squared_norms(xs, at_once);
    EXPECT_TRUE(testing::same_bits(at_once, one_by_one));
  }
}

TEST(Reduce, ColumnSumsAreAdded) {
  for (const DType dtype : kFloatTypes) {
    for (const Shape& shape : {Shape{1, 1}, Shape{5, 3}, Shape{300, 131}, Shape{0, 4}}) {
      const Tensor x = random_tensor(shape, dtype, 3);
      const Tensor y = Tensor::full({shape[1]}, 2.0, accumulator_of(dtype));
      kernels::add_column_sums(x, y);
      const std::vector<double> in = values_of(x);
      const std::vector<double> got = values_of(y);
      for (std::size_t j = 0; j < got.size(); ++j) {
        double expected = 2.0;
        double absolute = 2.0;
        for (std::size_t i = j; i < in.size(); i += got.size()) {
          expected += in[i];
          absolute += std::abs(in[i]);
        }
        EXPECT_NEAR(got[j], expected, 20 * testing::epsilon_of(y.dtype()) * absolute);
      }
    }
  }
}

}  // namespace
}  // namespace unfold::core
