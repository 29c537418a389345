#include "tests/autograd/op_cases.h"

#include <gtest/gtest.h>

#include <set>

#include "core/kernels/elementwise.h"
#include "tests/autograd/op_case_tests.h"

namespace unfold::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Autograd, OpCaseTest, ::testing::ValuesIn(autograd_op_cases()),
                         op_case_name);

// The proofs find what is wrong: an op with a false gradient, and one with a false value.
Variables square_with_gradient_of(const Variables& x, double factor) {
  const Tensor y = Tensor::empty(x[0].shape(), x[0].dtype());
  core::kernels::multiply(x[0].value(), x[0].value(), y);
  return {autograd::record("square", y, {x[0]},
                           [slot = x[0].slot(), value = x[0].value(), factor](const Tensor& dy) {
                             const Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
                             core::kernels::multiply(dy, value, dx);
                             core::kernels::scale(dx, factor, dx);
                             slot->add(dx);
                           })};
}

OpCase square(double factor) {
  return {"square",
          [](std::uint64_t seed) {
            return std::vector<Tensor>{random_tensor({3, 4}, DType::float64, seed)};
          },
          [factor](const Variables& x) { return square_with_gradient_of(x, factor); },
          [](const Variables& x) { return Variables{autograd::multiply(x[0], x[0])}; }};
}

TEST(OpCaseProofs, AcceptARightOp) {
  EXPECT_TRUE(gradient_is_right(square(2.0)));
  EXPECT_TRUE(equals_composition(square(2.0)));
  EXPECT_TRUE(low_precision_is_close(square(2.0), DType::float32));
  EXPECT_TRUE(low_precision_is_close(square(2.0), DType::bfloat16));
}

TEST(OpCaseProofs, FindAWrongGradient) {
  EXPECT_FALSE(gradient_is_right(square(2.00001)));
  EXPECT_FALSE(equals_composition(square(2.00001)));
  OpCase sloppy = square(1.0);
  sloppy.outputs = [](const Variables& x) {  // right in float64, wrong below
    return square_with_gradient_of(x, x[0].dtype() == DType::float64 ? 2.0 : 2.1);
  };
  EXPECT_TRUE(gradient_is_right(sloppy));
  EXPECT_FALSE(low_precision_is_close(sloppy, DType::float32));
  EXPECT_FALSE(low_precision_is_close(sloppy, DType::bfloat16));
}

TEST(OpCaseProofs, NamesAreUnique) {
  std::set<std::string> names;
  for (const OpCase& op : autograd_op_cases()) {
    EXPECT_TRUE(names.insert(op.name).second) << op.name;
  }
}

}  // namespace
}  // namespace unfold::testing
