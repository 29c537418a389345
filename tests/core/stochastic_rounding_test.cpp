#include "core/stochastic_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/random.h"

namespace unfold::core {
namespace {

// Over all 2^16 random numbers the mean is the value itself, in every bit of it.
TEST(StochasticRounding, MeanIsTheValue) {
  for (const float value : {1.0f + 0x1p-8f, 1.0f + 0x1p-20f, 0.1f, -0.1f, 1e-30f, -3.14159265f,
                            1e-40f, 2.0f - 0x1p-23f}) {
    double sum = 0;
    for (std::uint32_t random = 0; random < 65536; ++random) {
      sum += static_cast<double>(round_stochastically(value, random));
    }
    EXPECT_EQ(sum / 65536, static_cast<double>(value)) << value;
  }
}

TEST(StochasticRounding, OnlyTheLowHalfOfTheRandomNumberCounts) {
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::uint32_t random = philox(1, 2, i)[0];
    EXPECT_EQ(round_stochastically(0.3f, random).bits,
              round_stochastically(0.3f, random & 0xffffu).bits);
  }
}

TEST(StochasticRounding, GivesOneOfTheNeighbours) {
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const auto words = philox(3, 4, i);
    const float value = std::ldexp(static_cast<float>(words[0]), static_cast<int>(i % 60) - 60);
    const double got = static_cast<double>(round_stochastically(value, words[1]));
    EXPECT_LE(std::abs(got - static_cast<double>(value)),
              0x1p-7 * std::abs(static_cast<double>(value)));
  }
}

TEST(StochasticRounding, WhatBfloat16HasStays) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0f, -0.0f, 1.0f, -2.5f, 0x1p-133f, kInfinity, -kInfinity}) {
    for (const std::uint32_t random : {0u, 1u, 0x7fffu, 0xffffu}) {
      EXPECT_EQ(round_stochastically(value, random).bits, bfloat16(value).bits) << value;
    }
  }
  const bfloat16 nan = round_stochastically(std::numeric_limits<float>::quiet_NaN(), 0xffffu);
  EXPECT_TRUE(std::isnan(static_cast<float>(nan)));
}

}  // namespace
}  // namespace unfold::core
