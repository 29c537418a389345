#include "eval/metrics/paired_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/random.h"

namespace unfold::eval {
namespace {

double p_of(const std::vector<double>& differences, std::uint64_t seed = 0) {
  return paired_permutation_p(differences, seed);
}

TEST(PairedTest, FewDifferencesAreCountedExactly) {
  EXPECT_DOUBLE_EQ(p_of({1}), 1) << "one sign says nothing";
  EXPECT_DOUBLE_EQ(p_of({1, 1, 1}), 2.0 / 8);
  EXPECT_DOUBLE_EQ(p_of({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), 2.0 / 1024) << "more than one block";
  // Sums of {3, 1}: 4, 2, -2, -4; observed 2: all are as far.
  EXPECT_DOUBLE_EQ(p_of({3, -1}), 1);
  // {4, 2, -1}: 5 seen; of +-4 +-2 +-1 the sums 7, 5, -5, -7 are as far.
  EXPECT_DOUBLE_EQ(p_of({4, 2, -1}), 4.0 / 8);
  EXPECT_DOUBLE_EQ(p_of({0.1, 0.2, 0.3, -0.1}), p_of({-0.1, -0.2, -0.3, 0.1})) << "two-sided";
}

TEST(PairedTest, EqualScoresDoNotCount) {
  EXPECT_DOUBLE_EQ(p_of({0, 0, 0}), 1);
  std::vector<double> padded(1000, 0.0);
  padded[17] = padded[400] = padded[999] = 0.5;
  EXPECT_DOUBLE_EQ(p_of(padded), 0.25);
}

TEST(PairedTest, ManyDifferencesAreSampledNearTheTruth) {
  // Of n equal differences with k against the rest, p is a tail of the binomial distribution.
  std::vector<double> differences(30, 1.0);
  for (int i = 0; i < 9; ++i) differences[static_cast<std::size_t>(i)] = -1;
  double tail = 0;  // at most 9 of 30, both sides
  double ways = 1;
  for (int k = 0; k <= 9; ++k) {
    tail += 2 * ways * std::pow(0.5, 30);
    ways = ways * (30 - k) / (k + 1);
  }
  EXPECT_NEAR(p_of(differences), tail, 4 * std::sqrt(tail / 10'000));
  EXPECT_EQ(p_of(differences), p_of(differences)) << "a function of its arguments";
  EXPECT_NE(p_of(differences, 1), p_of(differences, 2));
  EXPECT_NEAR(p_of(std::vector<double>(5000, 0.25)), 1.0 / 10'001, 1e-12) << "never 0";
}

TEST(PairedTest, AlikeMethodsAreRarelyCalledDifferent) {
  core::Random random(3);
  int alarms = 0;
  constexpr int kTrials = 200;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> differences;
    for (int i = 0; i < 40; ++i) differences.push_back(random.normal());
    if (p_of(differences, static_cast<std::uint64_t>(trial)) < 0.05) ++alarms;
  }
  EXPECT_LE(alarms, 22);  // 10 expected
  EXPECT_GE(alarms, 2);
}

TEST(PairedTest, WhatCannotBeTold) {
  EXPECT_TRUE(std::isnan(p_of({})));
  EXPECT_TRUE(std::isnan(p_of({1, std::numeric_limits<double>::quiet_NaN()})));
  EXPECT_TRUE(std::isnan(p_of({1, std::numeric_limits<double>::infinity()})));
}

TEST(Holm, AdjustsInOrder) {
  const std::vector<double> adjusted =
      holm_adjusted(std::vector<double>{0.04, 0.01, 0.03, std::nan("")});
  EXPECT_DOUBLE_EQ(adjusted[1], 0.03);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.06) << "not below a smaller p";
  EXPECT_TRUE(std::isnan(adjusted[3]));
  EXPECT_EQ(holm_adjusted(std::vector<double>{0.9, 0.8})[0], 1);
  EXPECT_TRUE(holm_adjusted({}).empty());
}

}  // namespace
}  // namespace unfold::eval
