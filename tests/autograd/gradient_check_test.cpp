#include "autograd/gradient_check.h"

#include <gtest/gtest.h>

#include <limits>

#include "autograd/ops/arithmetic.h"
#include "core/kernels/elementwise.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::autograd {
namespace {

using core::DType;
using testing::random_tensor;

using Variables = std::vector<Variable>;

// x, with a gradient that is `wrong` at one element.
Variable faulty(const Variable& x, std::int64_t element, double wrong) {
  return record("faulty", x.value(), {x}, [slot = x.slot(), element, wrong](const Tensor& dy) {
    const Tensor dx = dy.clone();
    dx.data<double>()[element] = wrong;
    slot->add(dx);
  });
}

TEST(GradientCheck, FourthOrderDifferencesAreTight) {
  const auto cube = [](const Variables& x) { return sum(multiply(multiply(x[0], x[0]), x[0])); };
  const GradientCheck check = check_gradient(cube, {random_tensor({50}, DType::float64, 1)});
  EXPECT_LE(check.worst, 1e-10);
}

TEST(GradientCheck, NamesTheWorstElement) {
  const auto function = [](const Variables& x) {
    return sum(multiply(x[0], faulty(x[1], 2, 7.0)));
  };
  const Tensor ones = Tensor::full({4}, 1.0, DType::float64);
  const GradientCheck check = check_gradient(function, {ones, ones});
  EXPECT_EQ(check.input, 1u);
  EXPECT_EQ(check.element, 2);
  EXPECT_EQ(check.analytic, 7.0);
  EXPECT_NEAR(check.numeric, 1.0, 1e-10);
  EXPECT_NEAR(check.worst, 6.0 / 7.0, 1e-10);
}

TEST(GradientCheck, NanIsTheWorstWhereverItStands) {
  for (const std::int64_t element : {0, 3}) {
    const auto function = [element](const Variables& x) {
      return sum(faulty(x[0], element, std::numeric_limits<double>::quiet_NaN()));
    };
    const GradientCheck check = check_gradient(function, {Tensor::full({4}, 1.0, DType::float64)});
    EXPECT_EQ(check.worst, std::numeric_limits<double>::infinity());
    EXPECT_EQ(check.element, element);
  }
}

TEST(GradientCheck, InputsStayAsTheyWere) {
  const Tensor x = random_tensor({3}, DType::float64, 1);
  const Tensor before = x.clone();
  check_gradient([](const Variables& in) { return sum(multiply(in[0], in[0])); }, {x});
  EXPECT_TRUE(testing::same_bits(x, before));
  EXPECT_THROW(check_gradient([](const Variables& in) { return sum(in[0]); },
                              {Tensor::zeros({2}, DType::float32)}),
               core::InternalError);
}

}  // namespace
}  // namespace unfold::autograd
