#include "core/comm/share_pieces.h"

#include <gtest/gtest.h>

#include <vector>

namespace unfold::core {
namespace {

TEST(SharePieces, TakeEveryElementOnceAndFitIntoSlots) {
  const std::vector<std::int64_t> sizes = {576, 5000, 0, 123457, 1, 4096, 2048 * 8};
  for (const int ranks : {2, 3, 8}) {
    for (const std::int64_t most : {16, 1008, 4096, 1 << 20}) {
      std::vector<std::vector<int>> taken;
      for (const std::int64_t size : sizes) taken.emplace_back(size, 0);
      for (const SharePiece& piece : share_pieces(sizes, ranks, most)) {
        EXPECT_GT(piece.slot, 0);
        EXPECT_LE(piece.slot, most);
        std::int64_t used = 0;
        for (const Stretch& stretch : piece.stretches) {
          EXPECT_EQ(stretch.at, used) << "stretches lie one behind the other";
          EXPECT_EQ(stretch.begin % kStretchUnit, 0);
          const std::int64_t count = stretch.end - stretch.begin;
          used += (count + kStretchUnit - 1) / kStretchUnit * kStretchUnit;
          for (int rank = 0; rank < ranks; ++rank) {
            const std::int64_t size = sizes[stretch.tensor];
            const Share part = stretch.in(size, rank, ranks);
            const Share share = share_of(size, rank, ranks);
            EXPECT_LE(part.size(), stretch.end - stretch.begin);
            if (part.size() > 0) {
              EXPECT_EQ(part.begin, share.begin + stretch.begin);
              EXPECT_LE(part.end, share.end);
            }
            for (std::int64_t i = part.begin; i < part.end; ++i) {
              ++taken[stretch.tensor][static_cast<std::size_t>(i)];
            }
          }
        }
        EXPECT_EQ(used, piece.slot);
      }
      for (const std::vector<int>& counts : taken) {
        for (const int count : counts) ASSERT_EQ(count, 1);
      }
    }
  }
}

TEST(SharePieces, AreNoneForNothing) {
  EXPECT_TRUE(share_pieces({}, 2, 16).empty());
  EXPECT_TRUE(share_pieces(std::vector<std::int64_t>{0, 0}, 2, 16).empty());
}

}  // namespace
}  // namespace unfold::core
