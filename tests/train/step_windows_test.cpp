#include "train/step_windows.h"

#include <gtest/gtest.h>

namespace unfold::train {
namespace {

// Every row of a step is taken once, in the order of ranks within a pass.
TEST(StepWindows, EveryRowOnce) {
  for (const std::int64_t rows : {1, 3, 4, 5, 8, 13}) {
    for (const std::int64_t micro : {0, 1, 2, 3}) {
      for (const int ranks : {1, 2, 3, 4}) {
        if (rows < ranks) continue;
        const auto first = step_windows(rows, micro, 0, ranks);
        std::int64_t total = 0;
        for (std::size_t pass = 0; pass < first.size(); ++pass) {
          std::int64_t at = 0;
          for (int rank = 0; rank < ranks; ++rank) {
            const auto windows = step_windows(rows, micro, rank, ranks);
            ASSERT_EQ(windows.size(), first.size());
            EXPECT_EQ(windows[pass].total, first[pass].total);
            EXPECT_EQ(windows[pass].first, at);
            EXPECT_LE(windows[pass].count, largest_pass(rows, micro, ranks));
            at += windows[pass].count;
          }
          EXPECT_EQ(at, first[pass].total);
          total += at;
        }
        EXPECT_EQ(total, rows) << rows << " " << micro << " " << ranks;
      }
    }
  }
}

TEST(StepWindows, OneRankCutsAsAlways) {
  EXPECT_EQ(step_windows(8, 2, 0, 1),
            (std::vector<StepWindow>{{2, 0, 2}, {2, 0, 2}, {2, 0, 2}, {2, 0, 2}}));
  EXPECT_EQ(step_windows(8, 0, 0, 1), (std::vector<StepWindow>{{8, 0, 8}}));
  EXPECT_EQ(step_windows(8, 2, 1, 2), (std::vector<StepWindow>{{4, 2, 2}, {4, 2, 2}}));
}

}  // namespace
}  // namespace unfold::train
