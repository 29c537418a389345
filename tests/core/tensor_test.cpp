#include "core/tensor.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "core/kernels/elementwise.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::values_of;

// 0, 1, 2, ... in row-major order.
Tensor counting(const Shape& shape) {
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  std::iota(values.begin(), values.end(), 0.0);
  return Tensor::from(values, shape);
}

TEST(Tensor, ShapeAndStrides) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(x.size(), 24);
  EXPECT_EQ(x.bytes(), 24 * sizeof(double));
  EXPECT_EQ(x.strides(), (std::vector<std::int64_t>{12, 4, 1}));
  EXPECT_EQ(x.dim(-1), 4);
  EXPECT_EQ(to_string(x.shape()), "(2, 3, 4)");
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_THROW(x.dim(3), InternalError);
  EXPECT_THROW(x.dim(-4), InternalError);
}

TEST(Tensor, ItemsOfSeveralScalars) {
  EXPECT_EQ(items({}), std::vector<double>{});
  EXPECT_EQ(items({Tensor::full({}, 0.5, DType::float32), Tensor::full({1}, 2.0, DType::float64),
                   Tensor::full({1, 1}, -3.0, DType::bfloat16)}),
            (std::vector<double>{0.5, 2, -3}));
  EXPECT_THROW(items({Tensor::zeros({2}, DType::float32)}), InternalError);
}

TEST(Tensor, ScalarsAndEmptyTensors) {
  const Tensor scalar = Tensor::full({}, 2.5, DType::float32);
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.item(), 2.5);
  EXPECT_EQ(values_of(scalar.reshape({1, 1})), std::vector<double>{2.5});
  const Tensor none = Tensor::zeros({3, 0, 2}, DType::float32);
  EXPECT_EQ(none.size(), 0);
  EXPECT_TRUE(values_of(none.transpose(0, 2).contiguous()).empty());
  EXPECT_THROW(none.item(), InternalError);
}

TEST(Tensor, ItemReadsEveryDtype) {
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16, DType::int64,
                            DType::int32, DType::uint8, DType::boolean}) {
    EXPECT_EQ(Tensor::full({1}, 1.0, dtype).item(), 1.0) << name_of(dtype);
  }
}

TEST(Tensor, LiesOverMemoryThatIsThere) {
  const auto numbers =
      std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6, 7});
  const std::int64_t before = memory_stats({}).current;
  {
    const Tensor x = Tensor::over({numbers, numbers->data()}, {2, 3}, DType::float32);
    EXPECT_EQ(memory_stats({}).current, before) << "not this block's own";
    EXPECT_EQ(values_of(x), (std::vector<double>{1, 2, 3, 4, 5, 6}));
    kernels::fill(x.slice(0, 1, 2).reshape({3}), 9);
    EXPECT_EQ(numbers.use_count(), 2) << "kept as long as the tensor is";
  }
  EXPECT_EQ(*numbers, (std::vector<float>{1, 2, 3, 9, 9, 9, 7}));
  EXPECT_EQ(numbers.use_count(), 1);
  EXPECT_THROW(Tensor::over(nullptr, {1}, DType::float32), InternalError);
}

TEST(Tensor, HandlesShareStorage) {
  const Tensor x = Tensor::zeros({4}, DType::float64);
  EXPECT_TRUE(x.owns_alone());
  const Tensor same = x;
  EXPECT_FALSE(x.owns_alone());
  same.data<double>()[2] = 7;
  EXPECT_EQ(values_of(x), (std::vector<double>{0, 0, 7, 0}));
  EXPECT_TRUE(x.shares_storage_with(same));
  EXPECT_FALSE(x.shares_storage_with(x.clone()));
}

TEST(Tensor, SliceIsAView) {
  const Tensor x = counting({3, 4});
  const Tensor columns = x.slice(1, 1, 3);
  EXPECT_EQ(values_of(columns), (std::vector<double>{1, 2, 5, 6, 9, 10}));
  EXPECT_FALSE(columns.is_contiguous());
  EXPECT_TRUE(columns.shares_storage_with(x));
  const Tensor rows = x.slice(-2, 1, 3);
  EXPECT_TRUE(rows.is_contiguous());
  EXPECT_EQ(values_of(rows.slice(0, 1, 2)), (std::vector<double>{8, 9, 10, 11}));
  EXPECT_EQ(x.slice(0, 3, 3).size(), 0);
  EXPECT_THROW(x.slice(0, 2, 4), InternalError);
  EXPECT_THROW(x.slice(0, -1, 2), InternalError);
  EXPECT_THROW(x.slice(0, 2, 1), InternalError);
  EXPECT_THROW(x.slice(2, 0, 1), InternalError);
}

TEST(Tensor, TransposeIsAView) {
  const Tensor x = counting({2, 3});
  const Tensor t = x.transpose(0, 1);
  EXPECT_EQ(t.shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of(t), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  EXPECT_FALSE(t.is_contiguous());
  EXPECT_TRUE(t.contiguous().is_contiguous());
  EXPECT_TRUE(testing::same_bits(t.transpose(-1, -2), x));
  EXPECT_TRUE(counting({1, 5}).transpose(0, 1).is_contiguous());  // extent 1 has no stride
  EXPECT_THROW(x.transpose(0, 2), InternalError);
}

TEST(Tensor, ReshapeKeepsOrder) {
  const Tensor x = counting({2, 6});
  EXPECT_EQ(x.reshape({3, -1}).shape(), (Shape{3, 4}));
  EXPECT_EQ(values_of(x.reshape({4, 3}).slice(0, 1, 2)), (std::vector<double>{3, 4, 5}));
  EXPECT_TRUE(x.reshape({12}).shares_storage_with(x));
  EXPECT_THROW(x.reshape({5, 2}), InternalError);
  EXPECT_THROW(x.reshape({-1, -1}), InternalError);
  EXPECT_THROW(x.reshape({5, -1}), InternalError);
  EXPECT_THROW(x.reshape({-3, -4}), InternalError);  // the product of extents alone would fit
  EXPECT_THROW(x.reshape({-2, -1}), InternalError);
  EXPECT_THROW(x.transpose(0, 1).reshape({12}), InternalError);
}

TEST(Tensor, ImpossibleShapesAreRefused) {
  EXPECT_THROW(Tensor::empty({-1}, DType::float32), InternalError);
  const std::int64_t big = std::int64_t{1} << 40;
  EXPECT_THROW(Tensor::empty({big, big}, DType::float32), InternalError);
  EXPECT_THROW(Tensor::empty({big, 0, big}, DType::float32), InternalError);
}

TEST(Tensor, ConversionsBetweenDtypes) {
  const Tensor x = Tensor::from(std::vector<double>{0, 1, 2.5, 200}, {4});
  EXPECT_TRUE(x.to(DType::float64).shares_storage_with(x));
  EXPECT_EQ(x.to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 1, 2, 200}));
  EXPECT_EQ(x.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 1, 2, 200}));
  EXPECT_EQ(values_of(x.to(DType::boolean)), (std::vector<double>{0, 1, 1, 1}));
  const Tensor large = Tensor::from(std::vector<std::int64_t>{(std::int64_t{1} << 60) + 1}, {1});
  EXPECT_EQ(large.to_vector<std::int64_t>()[0], (std::int64_t{1} << 60) + 1);
}

TEST(Tensor, MisuseIsReported) {
  const Tensor nothing;
  EXPECT_FALSE(nothing.defined());
  EXPECT_THROW(nothing.raw(), InternalError);
  EXPECT_THROW(nothing.device(), InternalError);
  EXPECT_THROW(counting({2}).data<float>(), InternalError);
  EXPECT_THROW(Tensor::from(std::vector<float>{1, 2}, {3}), InternalError);
}

}  // namespace
}  // namespace unfold::core
