#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "core/parallel_deal.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

TEST(ParallelFor, CoversEveryIndexOnce) {
  for (const int count : {1, 2, 3, 5}) {
    const testing::Threads threads(count);
    for (const std::int64_t size : {0, 1, 2, 7, 64, 1001}) {
      for (const std::int64_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(size));
        parallel_for(size, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        for (const auto& times : seen) ASSERT_EQ(times.load(), 1) << size << " by " << grain;
      }
    }
  }
}

TEST(ParallelDeal, CoversEveryIndexOnceInTurn) {
  for (const int count : {1, 2, 5}) {
    const testing::Threads threads(count);
    for (const std::int64_t size : {0, 1, 4, 7, 64}) {
      std::vector<std::atomic<int>> dealt(static_cast<std::size_t>(size));
      parallel_deal(size, [&](std::int64_t first, std::int64_t step) {
        EXPECT_EQ(step, std::min<std::int64_t>(count, size));
        for (std::int64_t i = first; i < size; i += step) ++dealt[static_cast<std::size_t>(i)];
      });
      for (const auto& times : dealt) ASSERT_EQ(times.load(), 1) << size;
    }
  }
}

TEST(ParallelFor, UsesTheThreadsItWasGivenAndNoMoreThanTheGrainAllows) {
  const testing::Threads threads(3);
  EXPECT_EQ(thread_count(), 3);
  std::atomic<int> pieces{0};
  parallel_for(300, 10, [&](std::int64_t, std::int64_t) { ++pieces; });
  EXPECT_EQ(pieces.load(), 3);
  pieces = 0;
  parallel_for(300, 150, [&](std::int64_t, std::int64_t) { ++pieces; });
  EXPECT_EQ(pieces.load(), 2);
  pieces = 0;
  parallel_for(300, 300, [&](std::int64_t, std::int64_t) { ++pieces; });
  EXPECT_EQ(pieces.load(), 1);
}

TEST(ParallelFor, LoopsInsideLoopsStayOnTheirThread) {
  const testing::Threads threads(2);
  std::atomic<int> inner_pieces{0};
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    EXPECT_EQ(thread_count(), 1);
    parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++inner_pieces; });
  });
  EXPECT_EQ(inner_pieces.load(), 2);
}

TEST(ParallelFor, RethrowsAnExceptionAndGoesOnWorking) {
  for (const int count : {1, 2}) {
    const testing::Threads threads(count);
    EXPECT_THROW(parallel_for(100, 1,
                              [](std::int64_t begin, std::int64_t) {
                                if (begin == 0) throw std::runtime_error("first piece");
                              }),
                 std::runtime_error);
    std::atomic<std::int64_t> sum{0};
    parallel_for(10, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    EXPECT_EQ(sum.load(), 10);
  }
}

}  // namespace
}  // namespace unfold::core
