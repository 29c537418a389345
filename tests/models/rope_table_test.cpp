#include "models/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace unfold::models {
namespace {

using std::numbers::pi;

// Base frequency of pair i of a head of width d.
double base(double theta, int i, double d) {
  return 1.0 / std::pow(theta, 2.0 * i / d);
}

void expect_frequencies(const RopeConfig& config, std::int64_t width, std::int64_t positions,
                        const std::vector<double>& expected) {
  const std::vector<double> actual = rope_frequencies(config, width, positions);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 1e-12 * expected[i]) << "pair " << i;
  }
}

TEST(RopeTable, PlainAndLinear) {
  std::vector<double> plain;
  std::vector<double> linear;
  for (int i = 0; i < 16; ++i) {
    plain.push_back(base(10000, i, 32));
    linear.push_back(base(10000, i, 32) / 4);
  }
  expect_frequencies({}, 32, 100, plain);
  expect_frequencies({.scaling = RopeScaling::linear, .factor = 4}, 32, 100, linear);
}

TEST(RopeTable, DynamicStretchesTheBaseOnlyBeyondTheTrainedContext) {
  const RopeConfig config{.scaling = RopeScaling::dynamic, .factor = 2, .original_context = 1000};
  std::vector<double> plain;
  std::vector<double> stretched;
  // theta * (factor * n / context - (factor - 1))^(d / (d - 2)), n = 3000.
  const double theta = 10000 * std::pow(2.0 * 3000 / 1000 - 1, 32.0 / 30.0);
  for (int i = 0; i < 16; ++i) {
    plain.push_back(base(10000, i, 32));
    stretched.push_back(base(theta, i, 32));
  }
  expect_frequencies(config, 32, 1000, plain);
  expect_frequencies(config, 32, 3000, stretched);
}

TEST(RopeTable, Llama3KeepsShortWavesAndStretchesLongOnes) {
  // Llama 3.1: factor 8, low 1, high 4, context 8192, theta 500000.
  const RopeConfig config{.theta = 500000,
                          .scaling = RopeScaling::llama3,
                          .factor = 8,
                          .low_frequency_factor = 1,
                          .high_frequency_factor = 4,
                          .original_context = 8192};
  std::vector<double> expected;
  int kept = 0;
  int stretched = 0;
  for (int i = 0; i < 64; ++i) {
    const double frequency = base(500000, i, 128);
    const double wavelength = 2 * pi / frequency;
    if (wavelength < 8192.0 / 4) {
      expected.push_back(frequency);
      ++kept;
    } else if (wavelength > 8192.0 / 1) {
      expected.push_back(frequency / 8);
      ++stretched;
    } else {
      const double smooth = (8192 / wavelength - 1) / (4 - 1);
      expected.push_back((1 - smooth) * frequency / 8 + smooth * frequency);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_LT(kept + stretched, 64);
  expect_frequencies(config, 128, 10, expected);
}

TEST(RopeTable, YarnBlendsByTurnsAndScalesTheTable) {
  const RopeConfig config{.scaling = RopeScaling::yarn, .factor = 4, .original_context = 4096};
  // A pair makes context * frequency / 2 pi turns; solved for the pair index, floor and ceiling.
  const auto pair_of = [](double turns) {
    return 64 * std::log(4096 / (turns * 2 * pi)) / (2 * std::log(10000.0));
  };
  const double low = std::floor(pair_of(32));
  const double high = std::ceil(pair_of(1));
  ASSERT_GT(low, 0);
  ASSERT_LT(high, 31);
  std::vector<double> expected;
  for (int i = 0; i < 32; ++i) {
    const double ramp = std::min(1.0, std::max(0.0, (i - low) / (high - low)));
    const double frequency = base(10000, i, 64);
    expected.push_back(ramp * frequency / 4 + (1 - ramp) * frequency);
  }
  expect_frequencies(config, 64, 10, expected);
  const std::vector<double> table =
      rope_table(config, 64, 2, core::DType::float64).to_vector<double>();
  const double magnitude = 0.1 * std::log(4.0) + 1;
  EXPECT_NEAR(table[64], magnitude * std::cos(expected[0]), 1e-12);
  EXPECT_NEAR(table[64 + 32 + 5], magnitude * std::sin(expected[5]), 1e-12);
  RopeConfig told = config;
  told.attention_factor = 0.75;
  EXPECT_NEAR(rope_table(told, 64, 1, core::DType::float64).to_vector<double>()[0], 0.75, 1e-12);
}

TEST(RopeTable, RowsAreCosinesThenSines) {
  const core::Tensor table = rope_table({}, 8, 50, core::DType::float64);
  ASSERT_EQ(table.shape(), (core::Shape{50, 8}));
  const std::vector<double> values = table.to_vector<double>();
  for (std::size_t position = 0; position < 50; ++position) {
    for (std::size_t i = 0; i < 4; ++i) {
      const double angle = static_cast<double>(position) * base(10000, static_cast<int>(i), 8);
      EXPECT_NEAR(values[position * 8 + i], std::cos(angle), 1e-12);
      EXPECT_NEAR(values[position * 8 + 4 + i], std::sin(angle), 1e-12);
    }
  }
  EXPECT_EQ(rope_table({}, 8, 5, core::DType::float32).dtype(), core::DType::float32);
}

}  // namespace
}  // namespace unfold::models
