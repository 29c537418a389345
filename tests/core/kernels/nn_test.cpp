// The row kernels of a decoder against naive loops in float64.
#include "core/kernels/nn.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::epsilon_of;
using testing::kFloatTypes;
using testing::random_indices;
using testing::random_tensor;
using testing::relative_error;
using testing::values_of;

const std::vector<Shape> kRows = {{1, 1}, {1, 7}, {5, 16}, {3, 33}, {300, 5}, {0, 4}};

TEST(RmsNorm, ForwardAndBackward) {
  constexpr double kEps = 1e-3;
  for (const DType dtype : kFloatTypes) {
    for (const Shape& shape : kRows) {
      SCOPED_TRACE(fmt::format("{} {}", name_of(dtype), to_string(shape)));
      const auto rows = static_cast<std::size_t>(shape[0]);
      const auto width = static_cast<std::size_t>(shape[1]);
      const Tensor x = random_tensor(shape, dtype, 1, 2.0);
      const Tensor weight = random_tensor({shape[1]}, dtype, 2);
      const Tensor dy = random_tensor(shape, dtype, 3);
      const Tensor y = Tensor::empty(shape, dtype);
      const Tensor dx = Tensor::empty(shape, dtype);
      const Tensor inverse = Tensor::empty({shape[0]}, accumulator_of(dtype));
      const Tensor dweight = Tensor::full({shape[1]}, 1.0, accumulator_of(dtype));
      kernels::rms_norm(x, weight, kEps, y, inverse);
      kernels::rms_norm_backward(dy, x, weight, inverse, dx, false, dweight, Tensor());

      const auto xs = values_of(x);
      const auto ws = values_of(weight);
      const auto gs = values_of(dy);
      std::vector<double> y_expected(xs.size());
      std::vector<double> dx_expected(xs.size());
      std::vector<double> inverse_expected(rows);
      std::vector<double> dw_expected(width, 1.0);
      for (std::size_t n = 0; n < rows; ++n) {
        double squares = 0;
        double dot = 0;
        for (std::size_t i = n * width; i < (n + 1) * width; ++i) {
          squares += xs[i] * xs[i];
          dot += gs[i] * ws[i - n * width] * xs[i];
        }
        const double r = 1 / std::sqrt(squares / static_cast<double>(width) + kEps);
        inverse_expected[n] = r;
        for (std::size_t j = 0; j < width; ++j) {
          const std::size_t i = n * width + j;
          y_expected[i] = xs[i] * r * ws[j];
          dw_expected[j] += gs[i] * xs[i] * r;
          dx_expected[i] = r * (gs[i] * ws[j] - xs[i] * r * r * dot / static_cast<double>(width));
        }
      }
      const double epsilon = epsilon_of(dtype);
      const double wide_epsilon = epsilon_of(accumulator_of(dtype));
      EXPECT_LE(relative_error(values_of(y), y_expected), 2 * epsilon + 8 * wide_epsilon);
      // dx cancels when a row is one number: bounded by the terms, not by their difference.
      EXPECT_LE(testing::worst_difference(values_of(dx), dx_expected),
                epsilon * testing::largest(dx_expected) + 16 * wide_epsilon * testing::largest(gs) *
                                                              testing::largest(ws) *
                                                              testing::largest(inverse_expected));
      EXPECT_LE(relative_error(values_of(inverse), inverse_expected), 8 * wide_epsilon);
      EXPECT_LE(relative_error(values_of(dweight), dw_expected), 64 * wide_epsilon);
    }
  }
}

TEST(Rope, RotatesItsHeadsAndCopiesTheRest) {
  constexpr std::int64_t kHead = 6;
  constexpr std::int64_t kHeads = 3;
  const std::vector<std::int32_t> positions = {0, 3, 3, 1, 7};
  for (const DType dtype : kFloatTypes) {
    for (const std::int64_t rotated : {0, 2, 3}) {
      std::vector<double> angles(8 * kHead / 2);
      std::vector<double> rows(8 * kHead);
      for (std::size_t p = 0; p < 8; ++p) {
        for (std::size_t i = 0; i < kHead / 2; ++i) {
          const double angle = static_cast<double>(p) / std::pow(100.0, static_cast<double>(i) / 3);
          angles[p * 3 + i] = angle;
          rows[p * 6 + i] = std::cos(angle);
          rows[p * 6 + 3 + i] = std::sin(angle);
        }
      }
      const Tensor table = Tensor::from(rows, {8, kHead}).to(accumulator_of(dtype));
      const Tensor x = random_tensor({5, kHeads * kHead}, dtype, 1);
      const Tensor y = Tensor::empty(x.shape(), dtype);
      kernels::rope(x, testing::int_tensor(positions), table, rotated, false, y);

      const auto in = values_of(x);
      std::vector<double> expected = in;
      for (std::size_t n = 0; n < 5; ++n) {
        for (std::size_t h = 0; h < static_cast<std::size_t>(rotated); ++h) {
          for (std::size_t i = 0; i < 3; ++i) {
            const double angle = angles[static_cast<std::size_t>(positions[n]) * 3 + i];
            const std::size_t a = n * 18 + h * 6 + i;
            expected[a] = in[a] * std::cos(angle) - in[a + 3] * std::sin(angle);
            expected[a + 3] = in[a + 3] * std::cos(angle) + in[a] * std::sin(angle);
          }
        }
      }
      EXPECT_LE(relative_error(values_of(y), expected), epsilon_of(dtype));

      // In place gives the same; turning back gives the input, to rounding.
      const Tensor in_place = x.clone();
      kernels::rope(in_place, testing::int_tensor(positions), table, rotated, false, in_place);
      EXPECT_TRUE(testing::same_bits(in_place, y));
      kernels::rope(in_place, testing::int_tensor(positions), table, rotated, true, in_place);
      EXPECT_LE(relative_error(values_of(in_place), in), 2 * epsilon_of(dtype));
    }
  }
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

TEST(Swiglu, ForwardAndBackward) {
  for (const DType dtype : kFloatTypes) {
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 7}, Shape{65, 16}, Shape{0, 2}}) {
      const auto width = static_cast<std::size_t>(shape[1]);
      const Tensor gate_up = random_tensor({shape[0], 2 * shape[1]}, dtype, 1, 3.0);
      const Tensor dy = random_tensor(shape, dtype, 2);
      const Tensor y = Tensor::empty(shape, dtype);
      const Tensor dx = Tensor::empty(gate_up.shape(), dtype);
      kernels::swiglu(gate_up, y);
      kernels::swiglu_backward(dy, gate_up, dx, Tensor());
      const auto in = values_of(gate_up);
      const auto gs = values_of(dy);
      std::vector<double> y_expected(gs.size());
      std::vector<double> dx_expected(in.size());
      for (std::size_t i = 0; i < gs.size(); ++i) {
        const std::size_t g = i / width * 2 * width + i % width;
        const double gate = in[g];
        const double up = in[g + width];
        const double s = sigmoid(gate);
        y_expected[i] = gate * s * up;
        dx_expected[g] = gs[i] * up * (s + gate * s * (1 - s));
        dx_expected[g + width] = gs[i] * gate * s;
      }
      EXPECT_LE(relative_error(values_of(y), y_expected), 4 * epsilon_of(dtype));
      EXPECT_LE(relative_error(values_of(dx), dx_expected), 4 * epsilon_of(dtype));
    }
  }
}

TEST(Swiglu, LargeGatesStayFinite) {
  const std::vector<double> gates = {-1e4, -500, -100, -88, 88, 100, 500, 1e4, 0};
  const auto count = static_cast<std::int64_t>(gates.size());
  for (const DType dtype : kFloatTypes) {
    std::vector<double> rows;
    for (const double gate : gates) rows.insert(rows.end(), {gate, 2.0});
    const Tensor gate_up = Tensor::from(rows, {count, 2}).to(dtype);
    const Tensor y = Tensor::empty({count, 1}, dtype);
    const Tensor dx = Tensor::empty({count, 2}, dtype);
    kernels::swiglu(gate_up, y);
    kernels::swiglu_backward(Tensor::full({count, 1}, 1.0, dtype), gate_up, dx, Tensor());
    const auto rounded = values_of(gate_up);
    const auto out = values_of(y);
    const auto gradient = values_of(dx);
    for (std::size_t i = 0; i < gates.size(); ++i) {
      const double gate = rounded[2 * i];
      const double scale = 1 + std::abs(gate);
      EXPECT_NEAR(out[i], gate > 0 ? 2 * gate : 0, 1e-6 * scale) << gate;
      const double step = gate == 0 ? 0.5 : (gate > 0 ? 1 : 0);
      EXPECT_NEAR(gradient[2 * i], 2 * step, 1e-6 * scale) << gate;
      EXPECT_NEAR(gradient[2 * i + 1], gate > 0 ? gate : 0, 1e-6 * scale) << gate;
    }
  }
}

TEST(Embedding, GathersRowsAndAddsThemBack) {
  for (const DType dtype : kFloatTypes) {
    const Tensor table = random_tensor({5, 3}, dtype, 1);
    const Tensor ids = testing::int_tensor({4, 0, 4, 4, 2});
    const Tensor y = Tensor::empty({5, 3}, dtype);
    kernels::embedding(table, ids, y);
    for (const auto& [row, id] : {std::pair{0, 4}, {1, 0}, {2, 4}, {3, 4}, {4, 2}}) {
      EXPECT_TRUE(testing::same_bits(y.slice(0, row, row + 1), table.slice(0, id, id + 1)));
    }
    const Tensor dy = random_tensor({5, 3}, dtype, 2);
    const Tensor dtable = Tensor::full({5, 3}, 1.0, accumulator_of(dtype));
    kernels::embedding_backward(dy, ids, 0, dtable);
    const auto gs = values_of(dy);
    std::vector<double> expected(15, 1.0);
    const int targets[] = {4, 0, 4, 4, 2};
    for (std::size_t n = 0; n < 5; ++n) {
      for (std::size_t i = 0; i < 3; ++i) {
        expected[static_cast<std::size_t>(targets[n]) * 3 + i] += gs[n * 3 + i];
      }
    }
    EXPECT_LE(relative_error(values_of(dtable), expected), 4 * epsilon_of(accumulator_of(dtype)));
    // A part of the table takes what is its own.
    for (const auto& [first, last] : {std::pair{0, 3}, {2, 5}, {4, 5}, {1, 2}, {3, 3}}) {
      const Tensor part = Tensor::full({last - first, 3}, 1.0, accumulator_of(dtype));
      kernels::embedding_backward(dy, ids, first, part);
      EXPECT_TRUE(testing::same_bits(part, dtable.slice(0, first, last))) << first;
    }
  }
}

// Repeated targets are added in order of the rows: 1e8 and -1e8 first, then 1, keeps the 1.
TEST(ScatterAdd, AddsRepeatedTargetsInOrder) {
  const Tensor x = Tensor::from(std::vector<float>{1e8f, -1e8f, 1.0f, 5.0f}, {4, 1});
  const Tensor y = Tensor::zeros({2, 1}, DType::float32);
  kernels::scatter_add_rows(x, testing::int_tensor({1, 1, 1, 0}), y);
  EXPECT_EQ(values_of(y), (std::vector<double>{5, 1}));
}

TEST(ScatterAdd, ManyRowsAgainstALoop) {
  const Tensor index = random_indices(3000, 40, 5);
  const Tensor x = random_tensor({3000, 37}, DType::float32, 6);
  const Tensor y = Tensor::zeros({40, 37}, DType::float32);
  kernels::scatter_add_rows(x, index, y);
  std::vector<float> expected(40 * 37, 0.0f);
  const auto rows = index.to_vector<std::int32_t>();
  const auto in = x.to_vector<float>();
  for (std::size_t m = 0; m < rows.size(); ++m) {
    for (std::size_t i = 0; i < 37; ++i) {
      expected[static_cast<std::size_t>(rows[m]) * 37 + i] += in[m * 37 + i];
    }
  }
  EXPECT_EQ(y.to_vector<float>(), expected);  // bit for bit: the order is defined
}

TEST(GatherScatter, NothingToDo) {
  const Tensor none = testing::int_tensor({});
  const Tensor x = random_tensor({3, 2}, DType::float32, 1);
  const Tensor y = Tensor::empty({0, 2}, DType::float32);
  kernels::gather_rows(x, none, y);
  const Tensor sum = x.clone();
  kernels::scatter_add_rows(y, none, sum);
  EXPECT_TRUE(testing::same_bits(sum, x));
}

TEST(Argmax, OfEveryRow) {
  for (const DType dtype : kFloatTypes) {
    for (const Shape& shape : kRows) {
      if (shape[1] == 0) continue;
      const Tensor x = random_tensor(shape, dtype, 3);
      const Tensor best = Tensor::empty({shape[0]}, DType::int32);
      kernels::argmax_rows(x, best);
      const std::vector<double> values = values_of(x);
      const auto got = best.to_vector<std::int32_t>();
      const auto width = static_cast<std::ptrdiff_t>(shape[1]);
      for (std::size_t row = 0; row < got.size(); ++row) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row) * width;
        EXPECT_EQ(got[row], std::max_element(begin, begin + width) - begin);
      }
    }
  }
  // Ties go to the lower index.
  const Tensor ties = Tensor::from(std::vector<float>{1, 3, 3, 2, -5, -7, -5, -5}, {2, 4});
  const Tensor best = Tensor::empty({2}, DType::int32);
  kernels::argmax_rows(ties, best);
  EXPECT_EQ(best.to_vector<std::int32_t>(), (std::vector<std::int32_t>{1, 0}));
}

TEST(SmoothL1, ForwardAndBackward) {
  for (const DType dtype : kFloatTypes) {
    for (const Shape& shape : kRows) {
      const auto width = static_cast<std::size_t>(shape[1]);
      const Tensor x = random_tensor(shape, dtype, 1);
      const Tensor target = random_tensor(shape, dtype, 2);
      const Tensor dlosses = random_tensor({shape[0]}, accumulator_of(dtype), 3);
      const Tensor losses = Tensor::empty({shape[0]}, accumulator_of(dtype));
      const Tensor dx = Tensor::empty(shape, dtype);
      kernels::smooth_l1(x, target, losses);
      kernels::smooth_l1_backward(dlosses, x, target, dx);
      const auto xs = values_of(x);
      const auto ts = values_of(target);
      const auto gs = values_of(dlosses);
      std::vector<double> expected(static_cast<std::size_t>(shape[0]), 0.0);
      std::vector<double> dx_expected(xs.size());
      for (std::size_t i = 0; i < xs.size(); ++i) {
        const double d = xs[i] - ts[i];
        expected[i / width] += std::abs(d) < 1 ? d * d / 2 : std::abs(d) - 0.5;
        dx_expected[i] = gs[i / width] * std::clamp(d, -1.0, 1.0);
      }
      EXPECT_LE(relative_error(values_of(losses), expected),
                16 * epsilon_of(accumulator_of(dtype)));
      EXPECT_LE(relative_error(values_of(dx), dx_expected), 2 * epsilon_of(dtype));
    }
  }
}

TEST(SmoothL1, NanIsNotSwallowed) {
  const Tensor x = Tensor::zeros({1, 40}, DType::float32);
  x.data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  const Tensor losses = Tensor::empty({1}, DType::float32);
  kernels::smooth_l1(x, Tensor::zeros({1, 40}, DType::float32), losses);
  EXPECT_TRUE(std::isnan(losses.item()));
}

}  // namespace
}  // namespace unfold::core
