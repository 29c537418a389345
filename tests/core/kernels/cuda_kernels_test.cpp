// What the device parity of device_cases.cpp does not ask of CUDA kernels: strides, integers,
// infinities, and errors.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/reduce.h"
#include "tests/core/tensor_helpers.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

using testing::kFloatTypes;
using testing::random_tensor;
using testing::values_of;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const Device kHost;
const Device kCuda = {DeviceType::cuda, 0};

class CudaKernels : public ::testing::Test {
 protected:
  void SetUp() override { UNFOLD_NEEDS_GPU(); }
};

TEST_F(CudaKernels, CopyBetweenAllPairsOfDtypes) {
  constexpr DType kAllTypes[] = {DType::float64, DType::float32, DType::bfloat16, DType::int64,
                                 DType::int32,   DType::uint8,   DType::boolean};
  std::vector<double> values;
  for (int i = 0; i < 3 * 35; ++i) values.push_back(i * 37 % 128);
  for (const DType from : kAllTypes) {
    const Tensor x = Tensor::from(values, {3, 35}).to(from);
    for (const DType to : kAllTypes) {
      for (const bool transposed : {false, true}) {
        const Tensor source = transposed ? x.transpose(0, 1) : x;
        const Tensor expected = Tensor::empty(source.shape(), to);
        kernels::copy(source, expected);
        const Tensor there = x.to(kCuda);
        const Tensor target = Tensor::empty(source.shape(), to, kCuda);
        kernels::copy(transposed ? there.transpose(0, 1) : there, target);
        EXPECT_TRUE(testing::same_bits(target.to(kHost), expected))
            << name_of(from) << " to " << name_of(to);
      }
    }
  }
}

TEST_F(CudaKernels, CopyRoundsOnceToNearestEven) {
  const Tensor x =
      Tensor::from(std::vector<float>{1.0f + 0x1p-8f, 1.0f + 0x1p-7f + 0x1p-8f, -0.0f, 3.3895e38f,
                                      1e-40f, std::numeric_limits<float>::infinity(), 0.1f},
                   {7});
  EXPECT_TRUE(testing::same_bits(x.to(kCuda).to(DType::bfloat16).to(kHost), x.to(DType::bfloat16)));
  const Tensor nan = Tensor::full({9}, kNan, DType::float32, kCuda).to(DType::bfloat16);
  for (const double value : values_of(nan)) EXPECT_TRUE(std::isnan(value));
}

// Slices, transposes and extents of one in up to five dimensions; every width of element moves.
TEST_F(CudaKernels, CopyBetweenStridedViews) {
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16, DType::uint8}) {
    const Tensor x = Tensor::empty({3, 6, 4, 1, 32}, DType::float32);
    for (std::int64_t i = 0; i < x.size(); ++i) x.data<float>()[i] = static_cast<float>(i % 251);
    const Tensor host = x.to(dtype);
    const auto views = [](const Tensor& t) {
      return std::array{t.slice(4, 16, 32),
                        t.slice(4, 3, 4),
                        t.slice(1, 1, 5).slice(4, 8, 24).transpose(0, 2),
                        t.transpose(1, 4).slice(2, 1, 3),
                        t.slice(0, 2, 3).slice(1, 0, 1),
                        t.slice(2, 1, 1),
                        t.transpose(0, 1)};
    };
    const auto from_host = views(host);
    const auto from_cuda = views(host.to(kCuda));
    for (std::size_t i = 0; i < from_host.size(); ++i) {
      EXPECT_TRUE(testing::same_bits(from_cuda[i].clone().to(kHost), from_host[i].clone())) << i;
      // Into a view, too, leaving its neighbours alone.
      Shape around = from_host[i].shape();
      around[4] += 16;
      const Tensor expected = Tensor::full(around, 7.0, dtype);
      const Tensor got = Tensor::full(around, 7.0, dtype, kCuda);
      kernels::copy(from_host[i], expected.slice(4, 8, around[4] - 8));
      kernels::copy(from_cuda[i], got.slice(4, 8, around[4] - 8));
      EXPECT_TRUE(testing::same_bits(got.to(kHost), expected)) << i;
    }
  }
}

TEST_F(CudaKernels, DropoutMaskIsThatOfTheCpu) {
  const Tensor ones = Tensor::full({100003}, 1.0, DType::float32);
  for (const auto& [seed, stream] : {std::pair<std::uint64_t, std::uint64_t>{1, 2},
                                     {std::uint64_t{1} << 63, std::uint64_t{0xffffffffffff}}}) {
    const Tensor host = Tensor::empty({100003}, DType::float32);
    const Tensor there = Tensor::empty({100003}, DType::float32, kCuda);
    kernels::dropout(ones, 0.37, seed, stream, 0, host);
    kernels::dropout(ones.to(kCuda), 0.37, seed, stream, 0, there);
    EXPECT_TRUE(testing::same_bits(there.to(kHost), host));
  }
}

TEST_F(CudaKernels, SumsDoNotStall) {
  const Tensor ones = Tensor::full({(1 << 24) + 1000}, 1.0, DType::bfloat16, kCuda);
  const Tensor y = Tensor::empty({}, DType::float32, kCuda);
  kernels::sum(ones, y);
  EXPECT_EQ(y.item(), (1 << 24) + 1000);
  const Tensor total = Tensor::zeros({}, DType::float64, kCuda);
  kernels::add_squared_norm(Tensor::full({10}, 1e30, DType::float32, kCuda), total);
  EXPECT_NEAR(total.item() / 1e61, 1.0, 1e-6);
}

TEST_F(CudaKernels, WhatIsNotFiniteIsSeen) {
  for (const DType dtype : kFloatTypes) {
    for (const double bad : {HUGE_VAL, -HUGE_VAL, kNan}) {
      for (const std::int64_t at : {0, 511, 512, 4999}) {
        std::vector<double> values(5000, 0.5);
        values[static_cast<std::size_t>(at)] = bad;
        const Tensor x = Tensor::from(values, {1, 5000}).to(dtype).to(kCuda);
        const Tensor total = Tensor::zeros({}, DType::float64, kCuda);
        kernels::add_squared_norm(x, total);
        EXPECT_FALSE(std::isfinite(total.item()));
        if (bad == -HUGE_VAL) continue;  // a logit of -inf is a class that cannot be
        const Tensor losses = Tensor::empty({1}, accumulator_of(dtype), kCuda);
        kernels::cross_entropy(x, testing::int_tensor({1}).to(kCuda), false, losses);
        EXPECT_FALSE(std::isfinite(losses.item())) << bad << " at " << at;
      }
    }
    const Tensor x = Tensor::full({1, 40}, kNan, dtype, kCuda);
    const Tensor losses = Tensor::empty({1}, accumulator_of(dtype), kCuda);
    kernels::smooth_l1(x, Tensor::zeros({1, 40}, dtype, kCuda), losses);
    EXPECT_TRUE(std::isnan(losses.item()));
    kernels::cross_entropy(x, testing::int_tensor({-1}).to(kCuda), true, losses);
    EXPECT_EQ(losses.item(), 0.0);  // a row without a target is not looked at
    EXPECT_EQ(values_of(x), std::vector<double>(40, 0.0));
  }
}

TEST_F(CudaKernels, CrossEntropyOfExtremeLogits) {
  for (const DType dtype : kFloatTypes) {
    const std::vector<double> rows = {1e4,  -1e4,      0,          // sure and right
                                      1e4,  -1e4,      0,          // sure and wrong
                                      -1e4, -1e4,      -1e4,       // all very low
                                      1e30, 1e30,      0,          // two that share everything
                                      0,    -HUGE_VAL, -HUGE_VAL,  // two that cannot be
                                      2,    2,         -HUGE_VAL};
    const Tensor logits = Tensor::from(rows, {6, 3}).to(dtype).to(kCuda);
    const double high = values_of(logits)[0];
    const Tensor losses = Tensor::empty({6}, accumulator_of(dtype), kCuda);
    kernels::cross_entropy(logits, testing::int_tensor({0, 1, 2, 0, 0, 1}).to(kCuda), true, losses);
    const auto loss = values_of(losses);
    EXPECT_EQ(loss[0], 0.0);
    EXPECT_EQ(loss[1], 2 * high);
    EXPECT_NEAR(loss[2], std::log(3.0), 1e-3);  // spacing of float32 near 1e4
    EXPECT_EQ(loss[4], 0.0);
    EXPECT_NEAR(loss[5], std::log(2.0), 1e-6);
    const auto gradient = values_of(logits);
    const double expected[] = {0,    0,   0, 1, -1, 0, 1 / 3.0, 1 / 3.0, -2 / 3.0,
                               -0.5, 0.5, 0, 0, 0,  0, 0.5,     -0.5,    0};
    for (std::size_t i = 0; i < 18; ++i) {
      EXPECT_NEAR(gradient[i], expected[i], testing::epsilon_of(dtype)) << i;
    }
  }
}

// A head's worth of classes, with rows that all begin at another alignment.
TEST_F(CudaKernels, CrossEntropyOfAVocabulary) {
  for (const DType dtype : kFloatTypes) {
    for (const std::int64_t width : {49152, 50257}) {
      const Tensor logits = random_tensor({5, width}, dtype, 3, 4.0);
      const Tensor targets =
          testing::int_tensor({0, static_cast<std::int32_t>(width - 1), -1, 4097, 9});
      const DType wide = accumulator_of(dtype);
      const Tensor there = logits.to(kCuda);
      const Tensor losses = Tensor::empty({5}, wide);
      const Tensor losses_there = Tensor::empty({5}, wide, kCuda);
      kernels::cross_entropy(logits, targets, true, losses);
      kernels::cross_entropy(there, targets.to(kCuda), true, losses_there);
      EXPECT_LE(testing::relative_error(values_of(losses_there), values_of(losses)),
                64 * testing::epsilon_of(wide));
      EXPECT_LE(testing::relative_error(values_of(there), values_of(logits)),
                testing::epsilon_of(dtype) + 64 * testing::epsilon_of(wide));
    }
  }
}

TEST_F(CudaKernels, LargeGatesStayFinite) {
  const std::vector<double> gates = {-1e4, -500, -100, -88, 88, 100, 500, 1e4, 0};
  for (const DType dtype : kFloatTypes) {
    std::vector<double> rows;
    for (const double gate : gates) rows.insert(rows.end(), {gate, 2.0});
    const Tensor gate_up = Tensor::from(rows, {9, 2}).to(dtype).to(kCuda);
    const Tensor y = Tensor::empty({9, 1}, dtype, kCuda);
    const Tensor dx = Tensor::empty({9, 2}, dtype, kCuda);
    kernels::swiglu(gate_up, y);
    kernels::swiglu_backward(Tensor::full({9, 1}, 1.0, dtype, kCuda), gate_up, dx, Tensor());
    const auto rounded = values_of(gate_up);
    for (std::size_t i = 0; i < gates.size(); ++i) {
      const double gate = rounded[2 * i];
      EXPECT_NEAR(values_of(y)[i], gate > 0 ? 2 * gate : 0, 1e-6 * (1 + std::abs(gate))) << gate;
      EXPECT_TRUE(std::isfinite(values_of(dx)[2 * i]));
      EXPECT_TRUE(std::isfinite(values_of(dx)[2 * i + 1]));
    }
  }
}

// 1e8 and -1e8 first, then 1, keeps the 1.
TEST_F(CudaKernels, ScatterAddsRepeatedTargetsInOrder) {
  const Tensor x = Tensor::from(std::vector<float>{1e8f, -1e8f, 1.0f, 5.0f}, {4, 1}, kCuda);
  const Tensor y = Tensor::zeros({2, 1}, DType::float32, kCuda);
  kernels::scatter_add_rows(x, testing::int_tensor({1, 1, 1, 0}).to(kCuda), y);
  EXPECT_EQ(values_of(y), (std::vector<double>{5, 1}));
}

// TF32 would be off by 1e-3.
TEST_F(CudaKernels, Float32ProductsAreFloat32) {
  const Tensor a = random_tensor({512, 512}, DType::float32, 1);
  const Tensor b = random_tensor({512, 512}, DType::float32, 2);
  const Tensor exact = Tensor::empty({512, 512}, DType::float64);
  kernels::matmul(a.to(DType::float64), false, b.to(DType::float64), false, 1.0, 0.0, exact);
  const Tensor c = Tensor::empty({512, 512}, DType::float32, kCuda);
  kernels::matmul(a.to(kCuda), false, b.to(kCuda), false, 1.0, 0.0, c);
  EXPECT_LE(testing::relative_error(values_of(c), values_of(exact)), 2e-6);
}

TEST_F(CudaKernels, StridedProductLeavesItsNeighboursAlone) {
  for (const DType dtype : kFloatTypes) {
    const Tensor whole = Tensor::full({3, 6}, 9.0, dtype, kCuda);
    const Tensor ones = Tensor::full({3, 3}, 1.0, dtype, kCuda);
    kernels::matmul(ones, false, ones, false, 1.0, 0.0, whole.slice(1, 1, 4));
    EXPECT_EQ(values_of(whole.slice(0, 1, 2)), (std::vector<double>{9, 3, 3, 3, 9, 9}));
  }
}

TEST_F(CudaKernels, RefuseIntegersAndWrongDtypes) {
  const Tensor integers = Tensor::zeros({4}, DType::int32, kCuda);
  EXPECT_THROW(kernels::add(integers, integers, integers), InternalError);
  const Tensor narrow = Tensor::zeros({4}, DType::float32, kCuda);
  const Tensor wide = Tensor::zeros({4}, DType::float64, kCuda);
  EXPECT_THROW(kernels::add(narrow, wide, narrow), InternalError);
  EXPECT_THROW(kernels::copy(narrow, Tensor::zeros({5}, DType::float32, kCuda)), InternalError);
}

}  // namespace
}  // namespace unfold::core
