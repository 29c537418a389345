#include "core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "core/parallel.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

struct KnownAnswer {
  std::array<std::uint32_t, 4> counter;
  std::array<std::uint32_t, 2> key;
  std::array<std::uint32_t, 4> result;
};

// The three vectors that the authors of Philox publish for philox4x32 with 10 rounds: all zeros,
// all ones, and the digits of pi (Random123, file kat_vectors).
TEST(Philox, PublishedKnownAnswers) {
  const KnownAnswer answers[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  const auto joined = [](std::uint32_t low, std::uint32_t high) {
    return (std::uint64_t{high} << 32) | low;
  };
  for (const auto& [counter, key, result] : answers) {
    const auto index = joined(counter[0], counter[1]);
    const auto stream = joined(counter[2], counter[3]);
    EXPECT_EQ(philox(joined(key[0], key[1]), stream, index), result);
  }
}

TEST(Random, FollowsItsStreamBlockByBlock) {
  Random random(5, 9);
  for (std::uint64_t index = 0; index < 10; ++index) {
    for (const std::uint32_t word : philox(5, 9, index)) EXPECT_EQ(random.bits(), word);
  }
}

TEST(Random, StreamsAndSeedsDiffer) {
  std::set<std::uint32_t> first;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (std::uint64_t stream = 0; stream < 50; ++stream) {
      first.insert(Random(seed, stream).bits());
    }
  }
  EXPECT_GE(first.size(), 2499u);  // 2500 draws of 2^32: a collision is a once in 1400 event
}

TEST(Random, SameNumbersOnAnyThreadCount) {
  std::vector<std::vector<double>> runs;
  for (const int count : {1, 2, 3}) {
    const testing::Threads threads(count);
    std::vector<double> values(1000);
    parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        values[static_cast<std::size_t>(i)] = Random(3, static_cast<std::uint64_t>(i)).uniform();
      }
    });
    runs.push_back(values);
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0], runs[2]);
}

TEST(Random, UniformMoments) {
  Random random(1);
  constexpr int kCount = 200000;
  double sum = 0;
  double squares = 0;
  double previous = 0.5;
  double product = 0;
  std::vector<int> bins(20);
  for (int i = 0; i < kCount; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    squares += (value - 0.5) * (value - 0.5);
    product += (value - 0.5) * (previous - 0.5);
    previous = value;
    ++bins[static_cast<std::size_t>(value * 20)];
  }
  // Five standard deviations of the mean, of the variance and of the covariance of neighbours.
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / kCount));
  EXPECT_NEAR(product / kCount, 0.0, 5 / 12.0 / std::sqrt(kCount));
  double chi_square = 0;
  for (const int bin : bins) chi_square += std::pow(bin - kCount / 20.0, 2) / (kCount / 20.0);
  EXPECT_LT(chi_square, 50);  // 19 degrees of freedom: beyond 1 in 10000
}

TEST(Random, NormalMoments) {
  Random random(2);
  constexpr int kCount = 200000;
  double moments[5] = {};
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.normal();
    ASSERT_TRUE(std::isfinite(value));
    double power = 1;
    for (double& moment : moments) {
      moment += power / kCount;
      power *= value;
    }
    beyond_two += std::abs(value) > 2;
  }
  EXPECT_NEAR(moments[1], 0.0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(moments[2], 1.0, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[3], 0.0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[4], 3.0, 5 * std::sqrt(96.0 / kCount));
  EXPECT_NEAR(beyond_two / static_cast<double>(kCount), 0.0455, 0.0025);
}

TEST(Random, BelowCoversItsRange) {
  Random random(3);
  std::vector<int> seen(7);
  for (int i = 0; i < 7000; ++i) {
    const std::uint32_t value = random.below(7);
    ASSERT_LT(value, 7u);
    ++seen[value];
  }
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(random.below(1), 0u);
}

}  // namespace
}  // namespace unfold::core
