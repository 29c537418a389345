// What ops do beyond their values and gradients: misuse, exact properties, memory.
#include <gtest/gtest.h>

#include <utility>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/embedding.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/smooth_l1.h"
#include "autograd/ops/swiglu.h"
#include "core/memory.h"
#include "core/meta.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::autograd {
namespace {

using core::DType;
using core::InternalError;
using testing::int_tensor;
using testing::random_tensor;
using testing::values_of;

Variable zeros(core::Shape shape, DType dtype = DType::float32) {
  return Variable(Tensor::zeros(std::move(shape), dtype), true);
}

TEST(Ops, ShapeMismatchesAreReported) {
  EXPECT_THROW(add(zeros({2, 3}), zeros({3, 2})), InternalError);
  EXPECT_THROW(add(zeros({2}), zeros({2}, DType::float64)), InternalError);
  EXPECT_THROW(multiply(zeros({1}), zeros({})), InternalError);
  EXPECT_THROW(dropout(zeros({2}), 1.0, 0, 0), InternalError);
  EXPECT_THROW(dropout(zeros({2}), -0.1, 0, 0), InternalError);
  EXPECT_THROW(linear(zeros({2, 3}), zeros({4, 2})), InternalError);
  EXPECT_THROW(linear(zeros({3}), zeros({4, 3})), InternalError);
  EXPECT_THROW(linear(zeros({2, 3}), zeros({4, 3}), zeros({3})), InternalError);
  EXPECT_THROW(rms_norm(zeros({2, 3}), zeros({2}), 1e-5), InternalError);
  EXPECT_THROW(swiglu(zeros({2, 3})), InternalError);
  EXPECT_THROW(smooth_l1(zeros({2, 3}), Tensor::zeros({2, 4}, DType::float32)), InternalError);
  EXPECT_THROW(reshape(zeros({2, 3}), {4}), InternalError);
  EXPECT_THROW(transpose(zeros({2, 3}), 0, 2), InternalError);
  EXPECT_THROW(slice(zeros({2, 3}), 0, 1, 3), InternalError);
  EXPECT_THROW(concat({}, 0), InternalError);
  EXPECT_THROW(concat({zeros({2, 3}), zeros({2, 4})}, 0), InternalError);
  EXPECT_THROW(concat({zeros({2, 3})}, 2), InternalError);
  EXPECT_THROW(concat({zeros({2, 3})}, -3), InternalError);
}

TEST(Ops, MixedDtypesAreReported) {
  EXPECT_THROW(linear(zeros({2, 3}), zeros({4, 3}, DType::float64)), InternalError);
  EXPECT_THROW(rms_norm(zeros({2, 3}), zeros({3}, DType::float64), 1e-5), InternalError);
}

TEST(Ops, IndicesOutOfRangeAreReported) {
  EXPECT_THROW(embedding(zeros({5, 2}), int_tensor({0, 5})), InternalError);
  EXPECT_THROW(embedding(zeros({5, 2}), int_tensor({-1})), InternalError);
  EXPECT_THROW(gather_rows(zeros({5, 2}), int_tensor({5})), InternalError);
  EXPECT_THROW(gather_rows(zeros({5, 2}), int_tensor({0, -1})), InternalError);
  const Tensor table = Tensor::zeros({8, 4}, DType::float32);
  EXPECT_THROW(rope(zeros({1, 4}), int_tensor({8}), table, 1), InternalError);
  EXPECT_THROW(rope(zeros({1, 4}), int_tensor({-1}), table, 1), InternalError);
  EXPECT_THROW(rope(zeros({1, 4}), int_tensor({0}), table, 2), InternalError);
  EXPECT_THROW(rope(zeros({2, 4}), int_tensor({0}), table, 1), InternalError);
  EXPECT_THROW(linear_cross_entropy(zeros({1, 2}), zeros({5, 2}), 3, int_tensor({3})),
               InternalError);
  EXPECT_THROW(linear_cross_entropy(zeros({1, 2}), zeros({5, 2}), 6, int_tensor({0})),
               InternalError);
  EXPECT_THROW(linear_cross_entropy(zeros({1, 2}), zeros({5, 2}), 5, int_tensor({0, 0})),
               InternalError);
}

TEST(Dropout, BackwardUsesTheMaskOfTheForward) {
  const Variable x(Tensor::full({1000}, 1.0, DType::float32), true);
  const Variable y = dropout(x, 0.3, 11, 12);
  backward({y}, {Tensor::full({1000}, 1.0, DType::float32)});
  EXPECT_TRUE(testing::same_bits(x.gradient(), y.value()));  // both are mask / (1 - p)
}

TEST(Rope, TurningByTheSameAngleKeepsScalarProducts) {
  // cos^2 + sin^2 = 1 in the table, so that a rotation is one.
  std::vector<double> rows;
  for (int p = 0; p < 10; ++p) rows.insert(rows.end(), {std::cos(0.3 * p), std::sin(0.3 * p)});
  const Tensor table = Tensor::from(rows, {10, 2});
  const Variable q(random_tensor({1, 2}, DType::float64, 1));
  const Variable k(random_tensor({1, 2}, DType::float64, 2));
  const auto score = [&](int query_position, int key_position) {
    return sum(multiply(rope(q, int_tensor({query_position}), table, 1),
                        rope(k, int_tensor({key_position}), table, 1)))
        .value()
        .item();
  };
  EXPECT_NEAR(score(7, 5), score(2, 0), 1e-14);  // only the distance counts
  EXPECT_GT(std::abs(score(7, 5) - score(7, 4)), 1e-3);
}

// Values are rotated in place only when given away by the last who holds them.
TEST(Rope, RotatesInPlaceOnlyWhatNobodyElseHolds) {
  const Tensor table = random_tensor({4, 2}, DType::float32, 1);
  const Tensor values = random_tensor({2, 2}, DType::float32, 2);
  Variable kept(values.clone());
  const Variable turned = rope(kept, int_tensor({1, 3}), table, 1);
  EXPECT_EQ(values_of(kept.value()), values_of(values));
  EXPECT_FALSE(turned.value().shares_storage_with(kept.value()));
  const Variable copy = kept;
  EXPECT_FALSE(rope(std::move(kept), int_tensor({1, 3}), table, 1)
                   .value()
                   .shares_storage_with(copy.value()));
  Variable own(values.clone());
  const void* const place = own.value().raw();
  const Variable again = rope(std::move(own), int_tensor({1, 3}), table, 1);
  EXPECT_EQ(again.value().raw(), place);
  EXPECT_EQ(values_of(again.value()), values_of(turned.value()));
}

TEST(LinearCrossEntropy, RowsOfAChunk) {
  const core::Device gpu = {core::DeviceType::cuda, 0};
  EXPECT_EQ(cross_entropy_rows({}, DType::bfloat16, 49152, 30000), kCrossEntropyRows);
  // 256 MiB are 2730 rows of 49152 in bfloat16: 12 chunks of at most 2688 make 30000.
  EXPECT_EQ(cross_entropy_rows(gpu, DType::bfloat16, 49152, 30000), 2560);
  EXPECT_EQ(cross_entropy_rows(gpu, DType::bfloat16, 49152, 2689), 1408);
  EXPECT_EQ(cross_entropy_rows(gpu, DType::float32, 49152, 1), 128);
  EXPECT_EQ(cross_entropy_rows(gpu, DType::float32, 49152, 0), 128);
  EXPECT_EQ(cross_entropy_rows(gpu, DType::float32, std::int64_t{1} << 30, 1000), 128);
  // 1046 rows of 128256 would be too few: 2048 take 501 MiB. Of 152064 1765 take 512 MiB.
  EXPECT_EQ(cross_entropy_rows(gpu, DType::bfloat16, 128256, 16384), 2048);
  EXPECT_EQ(cross_entropy_rows(gpu, DType::bfloat16, 152064, 16384), 1664);
  EXPECT_EQ(cross_entropy_rows(core::meta_for(gpu), DType::bfloat16, 49152, 30000), 2560);
  EXPECT_EQ(cross_entropy_rows(core::meta_for({}), DType::bfloat16, 49152, 30000),
            kCrossEntropyRows);
}

// Rows are taken in chunks of kCrossEntropyRows; the loss must not show where they were cut.
TEST(LinearCrossEntropy, EqualsTheSumOfItsTokenLosses) {
  for (const DType dtype : testing::kFloatTypes) {
    const Tensor hidden = random_tensor({600, 8}, dtype, 1);
    const Tensor head = random_tensor({13, 8}, dtype, 2);
    std::vector<std::int32_t> targets;
    for (std::int32_t n = 0; n < 600; ++n) targets.push_back(n % 5 == 4 ? -1 : n % 11);
    const Tensor each = token_losses(hidden, head, 11, int_tensor(targets));
    const std::vector<double> losses = values_of(each);
    double total = 0;
    for (std::size_t n = 0; n < losses.size(); ++n) {
      EXPECT_EQ(losses[n] == 0, targets[n] < 0) << n;
      total += losses[n];
    }
    const Variable loss =
        linear_cross_entropy(Variable(hidden), Variable(head), 11, int_tensor(targets));
    EXPECT_NEAR(loss.value().item(), total, 1e-6 * total);
    // A row by itself has the loss it has among others.
    const Tensor alone = token_losses(hidden.slice(0, 300, 301), head, 11, int_tensor({3}));
    EXPECT_NEAR(alone.item(), losses[300], 1e-5 * (1 + losses[300])) << name_of(dtype);
  }
}

TEST(LinearCrossEntropy, RowsBehindTheClassesGetNoGradient) {
  const Variable hidden(random_tensor({4, 3}, DType::float32, 1), true);
  const Variable head(random_tensor({7, 3}, DType::float32, 2), true);
  backward(linear_cross_entropy(hidden, head, 5, int_tensor({0, 4, -1, 2})));
  EXPECT_EQ(values_of(head.gradient().slice(0, 5, 7)), std::vector<double>(6, 0.0));
  EXPECT_NE(values_of(head.gradient().slice(0, 4, 5)), std::vector<double>(3, 0.0));
  EXPECT_EQ(values_of(hidden.gradient().slice(0, 2, 3)), std::vector<double>(3, 0.0));
}

TEST(LinearCrossEntropy, NothingToPredict) {
  const Variable hidden(random_tensor({3, 2}, DType::float32, 1), true);
  const Variable head(random_tensor({4, 2}, DType::float32, 2), true);
  const Variable loss = linear_cross_entropy(hidden, head, 4, int_tensor({-1, -1, -1}));
  EXPECT_EQ(loss.value().item(), 0.0);
  backward(loss);
  EXPECT_EQ(values_of(head.gradient()), std::vector<double>(8, 0.0));
  EXPECT_EQ(values_of(hidden.gradient()), std::vector<double>(6, 0.0));
}

TEST(LinearCrossEntropy, AllLogitsAreNeverInMemory) {
  constexpr std::int64_t kRows = 2048;
  constexpr std::int64_t kClasses = 500;
  const Variable hidden(random_tensor({kRows, 4}, DType::float32, 1), true);
  const Variable head(random_tensor({kClasses, 4}, DType::float32, 2), true);
  const Tensor targets = testing::random_indices(kRows, kClasses, 3);
  core::reset_peak({});
  const std::int64_t start = core::memory_stats({}).current;
  backward(linear_cross_entropy(hidden, head, kClasses, targets));
  const std::int64_t used = core::memory_stats({}).peak - start;
  EXPECT_GT(used, kCrossEntropyRows * kClasses * 4);
  EXPECT_LT(used, kRows * kClasses * 4 / 4);
}

TEST(LinearCrossEntropy, EvaluationKeepsNoGradients) {
  const Variable hidden(random_tensor({512, 64}, DType::float32, 1), true);
  const Variable head(random_tensor({16, 64}, DType::float32, 2), true);
  const Tensor targets = testing::random_indices(512, 16, 3);
  const NoGrad no_grad;
  const std::int64_t start = core::memory_stats({}).current;
  const Variable loss = linear_cross_entropy(hidden, head, 16, targets);
  EXPECT_EQ(core::memory_stats({}).current - start, 4);  // the scalar
}

}  // namespace
}  // namespace unfold::autograd
