#include "eval/metrics/interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace unfold::eval {
namespace {

void expect_near(Interval interval, double low, double high, double tolerance) {
  EXPECT_NEAR(interval.low, low, tolerance);
  EXPECT_NEAR(interval.high, high, tolerance);
}

TEST(WilsonInterval, PublishedValues) {
  // Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
  expect_near(wilson_interval(81, 263), 0.2553, 0.3662, 5e-5);
  expect_near(wilson_interval(15, 148), 0.0624, 0.1605, 5e-5);
  expect_near(wilson_interval(0, 20), 0.0, 0.1611, 5e-5);
  expect_near(wilson_interval(1, 29), 0.0061, 0.1718, 5e-5);
}

TEST(WilsonInterval, HoldsTheShareAndStaysInside) {
  for (const std::int64_t n : {1, 2, 7, 200, 100000}) {
    for (std::int64_t k = 0; k <= n; k += std::max<std::int64_t>(1, n / 7)) {
      const Interval interval = wilson_interval(k, n);
      const double share = static_cast<double>(k) / static_cast<double>(n);
      EXPECT_LE(0, interval.low);
      EXPECT_LE(interval.low, share);
      EXPECT_LE(share, interval.high);
      EXPECT_LE(interval.high, 1);
      const Interval mirrored = wilson_interval(n - k, n);
      EXPECT_NEAR(interval.low, 1 - mirrored.high, 1e-12);
    }
  }
  EXPECT_THROW(wilson_interval(0, 0), core::InternalError);
  EXPECT_THROW(wilson_interval(3, 2), core::InternalError);
}

TEST(BootstrapInterval, HasTheWidthOfTheNormalApproximation) {
  core::Random random(3);
  const std::size_t rows = 400;
  std::vector<double> values(rows);
  for (double& value : values) value = 5 + random.normal();
  const std::vector<double> ones(rows, 1.0);
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / double{rows};
  const Interval interval = bootstrap_ratio_interval(values, ones, 1);
  EXPECT_LT(interval.low, mean);
  EXPECT_GT(interval.high, mean);
  const double expected = 2 * 1.96 / std::sqrt(double{rows});
  EXPECT_NEAR(interval.high - interval.low, expected, 0.15 * expected);
}

TEST(BootstrapInterval, WeighsRowsByTheirDenominators) {
  // Every row has the same ratio, whatever its size: nothing is uncertain.
  const std::vector<double> sizes = {1, 10, 100, 7, 3};
  std::vector<double> nats;
  for (const double size : sizes) nats.push_back(2.5 * size);
  expect_near(bootstrap_ratio_interval(nats, sizes, 9), 2.5, 2.5, 1e-12);
}

TEST(BootstrapInterval, IsAFunctionOfItsArguments) {
  const std::vector<double> above = {1, 5, 2, 8, 3, 9, 4};
  const std::vector<double> below = {2, 2, 3, 3, 2, 3, 2};
  const Interval one = bootstrap_ratio_interval(above, below, 42);
  const Interval again = bootstrap_ratio_interval(above, below, 42);
  EXPECT_EQ(one.low, again.low);
  EXPECT_EQ(one.high, again.high);
  const Interval other = bootstrap_ratio_interval(above, below, 43);
  EXPECT_TRUE(one.low != other.low || one.high != other.high);
}

TEST(BootstrapInterval, IsUnknownWhenItCannotBeTold) {
  const auto unknown = [](const std::vector<double>& above, const std::vector<double>& below) {
    const Interval interval = bootstrap_ratio_interval(above, below, 1);
    return std::isnan(interval.low) && std::isnan(interval.high);
  };
  EXPECT_TRUE(unknown({}, {}));
  EXPECT_TRUE(unknown({3}, {2}));
  EXPECT_TRUE(unknown({1, 2, 3}, {0, 0, 0}));
  EXPECT_TRUE(unknown({1, std::numeric_limits<double>::infinity(), 3}, {1, 1, 1}));
  EXPECT_TRUE(unknown({1, std::numeric_limits<double>::quiet_NaN(), 3}, {1, 1, 1}));
  EXPECT_FALSE(unknown({1, 2}, {1, 1}));
}

}  // namespace
}  // namespace unfold::eval
