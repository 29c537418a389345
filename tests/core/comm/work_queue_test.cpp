#include "core/comm/work_queue.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace unfold::core {
namespace {

TEST(WorkQueue, WorksInOrder) {
  std::vector<int> done;
  WorkQueue queue;
  std::int64_t last = 0;
  for (int i = 0; i < 50; ++i) last = queue.give([&done, i] { done.push_back(i); });
  queue.wait(last);
  ASSERT_EQ(done.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
  queue.wait(1);  // long done
  EXPECT_GT(queue.take_seconds(), 0);
  EXPECT_EQ(queue.take_seconds(), 0);
}

TEST(WorkQueue, AnErrorEndsTheWork) {
  bool later = false;
  WorkQueue queue;
  const std::int64_t good = queue.give([] {});
  const std::int64_t bad = queue.give([] { throw std::runtime_error("broken"); });
  const std::int64_t behind = queue.give([&] { later = true; });
  queue.wait(good);
  EXPECT_THROW(queue.wait(bad), std::runtime_error);
  EXPECT_THROW(queue.wait(behind), std::runtime_error);
  EXPECT_THROW(queue.check(), std::runtime_error);
  EXPECT_FALSE(later);
}

TEST(WorkQueue, FinishesBeforeItEnds) {
  int done = 0;
  {
    WorkQueue queue;
    for (int i = 0; i < 20; ++i) queue.give([&] { ++done; });
  }
  EXPECT_EQ(done, 20);
}

}  // namespace
}  // namespace unfold::core
