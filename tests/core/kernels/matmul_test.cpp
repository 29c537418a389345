#include "core/kernels/matmul.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::random_tensor;
using testing::values_of;

struct Problem {
  std::int64_t m, k, n;
};
struct Types {
  DType in, out;
};

constexpr Types kTypes[] = {{DType::float64, DType::float64},
                            {DType::float32, DType::float32},
                            {DType::bfloat16, DType::bfloat16},
                            {DType::bfloat16, DType::float32}};

// A tensor, or a view of its middle columns in a wider one.
Tensor operand(std::int64_t rows, std::int64_t columns, DType dtype, std::uint64_t seed,
               bool strided) {
  if (!strided) return random_tensor({rows, columns}, dtype, seed);
  return random_tensor({rows, columns + 5}, dtype, seed).slice(1, 2, columns + 2);
}

// c against sums in float64, element by element: the error of a sum of k products is bounded by
// (k + 3) roundings of the sum of their absolute values, and the result is rounded once or twice.
void expect_product(const Problem& problem, Types types, bool transpose_a, bool transpose_b,
                    double alpha, double beta, bool strided) {
  const auto [m, k, n] = problem;
  SCOPED_TRACE(fmt::format("{}x{}x{} {}->{} transposed {} {} alpha {} beta {} strided {}", m, k, n,
                           name_of(types.in), name_of(types.out), transpose_a, transpose_b, alpha,
                           beta, strided));
  const Tensor a = operand(transpose_a ? k : m, transpose_a ? m : k, types.in, 1, strided);
  const Tensor b = operand(transpose_b ? n : k, transpose_b ? k : n, types.in, 2, strided);
  const Tensor c = operand(m, n, types.out, 3, strided);
  const std::vector<double> left = values_of(a);
  const std::vector<double> right = values_of(b);
  const std::vector<double> before = values_of(c);
  kernels::matmul(a, transpose_a, b, transpose_b, alpha, beta, c);
  const std::vector<double> got = values_of(c);

  const double sum_epsilon = testing::epsilon_of(accumulator_of(types.in));
  const double out_epsilon = testing::epsilon_of(types.out);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      double absolute = 0;
      for (std::int64_t p = 0; p < k; ++p) {
        const double product = left[static_cast<std::size_t>(transpose_a ? p * m + i : i * k + p)] *
                               right[static_cast<std::size_t>(transpose_b ? j * k + p : p * n + j)];
        sum += product;
        absolute += std::abs(product);
      }
      const auto at = static_cast<std::size_t>(i * n + j);
      const double expected = alpha * sum + beta * before[at];
      const double bound = static_cast<double>(k + 3) * sum_epsilon *
                               (std::abs(alpha) * absolute + std::abs(beta * before[at])) +
                           out_epsilon * std::abs(expected);
      ASSERT_LE(std::abs(got[at] - expected), bound) << "at " << i << ", " << j;
    }
  }
}

TEST(Matmul, AgainstSumsInFloat64) {
  for (const Problem& problem : {Problem{1, 1, 1}, Problem{3, 5, 7}, Problem{1, 40, 23},
                                 Problem{31, 17, 1}, Problem{17, 65, 9}, Problem{50, 2, 50}}) {
    for (const Types types : kTypes) {
      for (const int transposes : {0, 1, 2, 3}) {
        const bool ta = (transposes & 1) != 0;
        const bool tb = (transposes & 2) != 0;
        expect_product(problem, types, ta, tb, 1.0, 0.0, false);
        expect_product(problem, types, ta, tb, 1.0, 1.0, true);
        expect_product(problem, types, ta, tb, -0.5, 0.25, true);
      }
    }
  }
}

TEST(Matmul, SeveralTilesOfTheResult) {
  for (const int transposes : {0, 1, 2, 3}) {
    expect_product({400, 30, 390}, kTypes[1], (transposes & 1) != 0, (transposes & 2) != 0, 1.0,
                   0.5, transposes == 2);
  }
  expect_product({400, 30, 390}, kTypes[2], false, true, 1.0, 0.5, true);
  expect_product({300, 30, 600}, kTypes[3], true, false, 1.0, 1.0, false);
  expect_product({3, 20, 1000}, kTypes[1], false, true, 1.0, 0.0, false);
  expect_product({1000, 20, 3}, kTypes[2], true, false, 1.0, 1.0, false);
}

TEST(Matmul, BetaZeroDoesNotReadTheResult) {
  for (const Types types : kTypes) {
    const Tensor c = Tensor::full({4, 4}, std::numeric_limits<double>::quiet_NaN(), types.out);
    const Tensor ones = Tensor::full({4, 4}, 1.0, types.in);
    kernels::matmul(ones, false, ones, false, 1.0, 0.0, c);
    EXPECT_EQ(values_of(c), std::vector<double>(16, 4.0));
  }
}

TEST(Matmul, EmptyExtents) {
  const Tensor none = Tensor::zeros({0, 3}, DType::float32);
  const Tensor some = Tensor::full({2, 3}, 1.0, DType::float32);
  kernels::matmul(none, false, some, true, 1.0, 0.0, Tensor::empty({0, 2}, DType::float32));
  // An inner extent of 0: the product is zero, and beta still counts.
  const Tensor c = Tensor::full({3, 3}, 5.0, DType::float32);
  kernels::matmul(none, true, none, false, 1.0, 1.0, c);
  EXPECT_EQ(values_of(c), std::vector<double>(9, 5.0));
  kernels::matmul(none, true, none, false, 1.0, 0.0, c);
  EXPECT_EQ(values_of(c), std::vector<double>(9, 0.0));
}

TEST(Matmul, StridedResultLeavesItsNeighboursAlone) {
  const Tensor whole = Tensor::full({3, 6}, 9.0, DType::float32);
  const Tensor ones = Tensor::full({3, 3}, 1.0, DType::float32);
  kernels::matmul(ones, false, ones, false, 1.0, 0.0, whole.slice(1, 1, 4));
  EXPECT_EQ(values_of(whole.slice(0, 1, 2)), (std::vector<double>{9, 3, 3, 3, 9, 9}));
}

// Eigen by itself would not pass this: its threading cuts the inner dimension by the number of
// threads, so that one and two threads differ from an inner size of about 320. Hence the tiles.
TEST(Matmul, SameBitsForEveryThreadCount) {
  const Problem problems[] = {{257, 333, 129}, {256, 2048, 512}, {64, 1024, 300},
                              {33, 4096, 17},  {1, 700, 2000},   {600, 100, 600}};
  for (const auto& [m, k, n] : problems) {
    for (const int transposes : {0, 1, 2, 3}) {
      const bool ta = (transposes & 1) != 0;
      const bool tb = (transposes & 2) != 0;
      const Tensor a = random_tensor(ta ? Shape{k, m} : Shape{m, k}, DType::float32, 1);
      const Tensor b = random_tensor(tb ? Shape{n, k} : Shape{k, n}, DType::float32, 2);
      const auto product = [&](int count) {
        const testing::Threads threads(count);
        Tensor c = Tensor::empty({m, n}, DType::float32);
        kernels::matmul(a, ta, b, tb, 1.0, 0.0, c);
        return c;
      };
      const Tensor reference = product(1);
      EXPECT_TRUE(testing::same_bits(product(2), reference)) << m << " " << k << " " << n;
      EXPECT_TRUE(testing::same_bits(product(3), reference)) << m << " " << k << " " << n;
    }
  }
}

}  // namespace
}  // namespace unfold::core
