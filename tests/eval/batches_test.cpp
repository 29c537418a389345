#include "eval/tasks/batches.h"

#include <gtest/gtest.h>

#include <set>

#include "core/random.h"

namespace unfold::eval {
namespace {

using Batches = std::vector<std::vector<std::int64_t>>;

TEST(Batches, HoldSamplesOfLikeLengthUpToTheLimit) {
  const std::vector<std::int64_t> sizes = {10, 50, 10, 100, 40, 10};
  EXPECT_EQ(make_batches(sizes, 100), Batches({{3}, {1, 4}, {0, 2, 5}}));
  EXPECT_EQ(make_batches(sizes, 1), Batches({{3}, {1}, {4}, {0}, {2}, {5}}));
  EXPECT_EQ(make_batches({}, 100), Batches());
}

TEST(Batches, OfAllProcessesTogetherAreTheSamplesOnce) {
  core::Random random(3);
  std::vector<std::int64_t> sizes;
  for (int i = 0; i < 500; ++i) sizes.push_back(1 + random.below(900));
  for (const int world : {1, 2, 7}) {
    std::multiset<std::int64_t> seen;
    for (int rank = 0; rank < world; ++rank) {
      for (const auto& batch : make_batches(sizes, 2000, rank, world)) {
        std::int64_t longest = 0;
        for (const std::int64_t i : batch) {
          seen.insert(i);
          longest = std::max(longest, sizes[static_cast<std::size_t>(i)]);
        }
        EXPECT_LE(static_cast<std::int64_t>(batch.size()) * longest, 2000);
        EXPECT_EQ(longest, sizes[static_cast<std::size_t>(batch.front())]);
      }
    }
    EXPECT_EQ(seen.size(), 500u);
    EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), 500u);
  }
}

}  // namespace
}  // namespace unfold::eval
