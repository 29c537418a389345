#include "models/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"

namespace unfold::models {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.5f};

std::vector<double> softmax(const std::vector<float>& logits, double temperature,
                            const std::vector<bool>& kept) {
  std::vector<double> p;
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    p.push_back(kept[i] ? std::exp(logits[i] / temperature) : 0.0);
    total += p.back();
  }
  for (double& value : p) value /= total;
  return p;
}

// Draws often and compares frequencies with probabilities, 5 standard deviations.
void expect_distribution(const SamplingOptions& options, const std::vector<bool>& kept) {
  const std::vector<double> p = softmax(kLogits, options.temperature, kept);
  constexpr int kDraws = 20000;
  std::vector<int> counts(kLogits.size(), 0);
  core::Random random(options.seed);
  for (int i = 0; i < kDraws; ++i) {
    ++counts[static_cast<std::size_t>(sample(kLogits, options, random))];
  }
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double tolerance = 5 * std::sqrt(p[i] * (1 - p[i]) * kDraws);
    EXPECT_NEAR(counts[i], p[i] * kDraws, tolerance) << "token " << i;
  }
}

TEST(Sampling, GreedyTakesTheLowerIndexOfATie) {
  core::Random random(1);
  EXPECT_EQ(sample(kLogits, {}, random), 1);
  EXPECT_EQ(random.bits(), core::Random(1).bits()) << "greedy draws no random number";
}

TEST(Sampling, TemperatureFollowsTheSoftmax) {
  expect_distribution({.temperature = 1.0, .seed = 3}, std::vector<bool>(6, true));
  expect_distribution({.temperature = 0.5, .seed = 4}, std::vector<bool>(6, true));
  expect_distribution({.temperature = 5.0, .seed = 5}, std::vector<bool>(6, true));
}

TEST(Sampling, TopKKeepsTheLikeliest) {
  expect_distribution({.temperature = 1.0, .top_k = 3}, {false, true, true, true, false, false});
  // Of the two best, which tie with nothing else; k above the vocabulary keeps all.
  expect_distribution({.temperature = 2.0, .top_k = 2}, {false, true, false, true, false, false});
  expect_distribution({.temperature = 1.0, .top_k = 100}, std::vector<bool>(6, true));
  expect_distribution({.temperature = 1.0, .top_k = 1}, {false, true, false, false, false, false});
}

TEST(Sampling, TopPKeepsTheSmallestSufficientSet) {
  // Probabilities at temperature 1: 0.053 0.389 0.143 0.389 0.007 0.032 (in 20.08 + ...).
  const std::vector<double> p = softmax(kLogits, 1.0, std::vector<bool>(6, true));
  expect_distribution({.temperature = 1.0, .top_p = p[1] - 1e-6},
                      {false, true, false, false, false, false});
  expect_distribution({.temperature = 1.0, .top_p = p[1] + 1e-6},
                      {false, true, false, true, false, false});
  expect_distribution({.temperature = 1.0, .top_p = p[1] + p[3] + p[2] - 1e-6},
                      {false, true, true, true, false, false});
  expect_distribution({.temperature = 1.0, .top_p = 0.0},
                      {false, true, false, false, false, false});
}

TEST(Sampling, TopKComesBeforeTopP) {
  // Of the three best (0.422, 0.422, 0.155), two make up 0.8.
  expect_distribution({.temperature = 1.0, .top_k = 3, .top_p = 0.8},
                      {false, true, false, true, false, false});
}

TEST(Sampling, SameSeedSameTokens) {
  const SamplingOptions options{.temperature = 1.5, .seed = 11};
  core::Random first(options.seed);
  core::Random second(options.seed);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(sample(kLogits, options, first), sample(kLogits, options, second));
  }
}

TEST(Sampling, ExtremeValues) {
  core::Random random(1);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> hidden = {-kInfinity, 2.0f, -kInfinity};
  for (int i = 0; i < 50; ++i) EXPECT_EQ(sample(hidden, {.temperature = 1.0}, random), 1);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(sample(hidden, {.temperature = 1e-300}, random), 1);
  EXPECT_THROW(sample({}, {}, random), core::InternalError);
}

}  // namespace
}  // namespace unfold::models
