#include "core/comm/share.h"

#include <gtest/gtest.h>

#include "core/comm/rank_sum.h"
#include "core/dtype.h"

namespace unfold::core {
namespace {

TEST(Share, CoversEverythingOnce) {
  for (const std::int64_t size : {0, 1, 1023, 1024, 4096, 5000, 123457}) {
    for (const int ranks : {1, 2, 3, 8}) {
      std::int64_t at = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const Share share = share_of(size, rank, ranks);
        EXPECT_EQ(share.begin, at);
        EXPECT_EQ(share.begin % kShareUnit, 0);
        EXPECT_GE(share.size(), equal_part(size, ranks));
        if (rank + 1 < ranks) {
          EXPECT_EQ(share.size(), equal_part(size, ranks));
        }
        at = share.end;
      }
      EXPECT_EQ(at, size);
    }
  }
}

TEST(Share, EvenSharesDifferByOne) {
  for (const std::int64_t count : {0, 1, 5, 8, 17}) {
    std::int64_t at = 0;
    for (int rank = 0; rank < 4; ++rank) {
      const Share share = even_share_of(count, rank, 4);
      EXPECT_EQ(share.begin, at);
      EXPECT_GE(share.size(), count / 4);
      EXPECT_LE(share.size(), count / 4 + 1);
      at = share.end;
    }
    EXPECT_EQ(at, count);
  }
}

template <typename T>
std::vector<T> sum(const std::vector<std::vector<T>>& parts, DType dtype) {
  std::vector<const std::byte*> pointers;
  for (const auto& part : parts)
    pointers.push_back(reinterpret_cast<const std::byte*>(part.data()));
  std::vector<T> out(parts[0].size());
  sum_in_order(dtype, pointers, static_cast<std::int64_t>(out.size()),
               reinterpret_cast<std::byte*>(out.data()));
  return out;
}

TEST(RankSum, IsTakenInTheOrderOfRanks) {
  const double big = 1e16;
  EXPECT_EQ(sum<double>({{big}, {1}, {-big}}, DType::float64)[0], (big + 1) - big);
  EXPECT_EQ(sum<double>({{big}, {-big}, {1}}, DType::float64)[0], 1);
  const std::vector<float> many(1500, 0.5F);
  EXPECT_EQ(sum<float>({many, many, many}, DType::float32), std::vector<float>(1500, 1.5F));
}

TEST(RankSum, Bfloat16IsRoundedOnce) {
  // 256 + 1 is 256 in bfloat16, but 256 + 1 + 1 is 258.
  const std::vector<std::vector<bfloat16>> parts = {{bfloat16(256)}, {bfloat16(1)}, {bfloat16(1)}};
  EXPECT_EQ(static_cast<float>(sum(parts, DType::bfloat16)[0]), 258);
}

TEST(RankSum, InPlace) {
  std::vector<float> a = {1, 2};
  const std::vector<float> b = {10, 20};
  sum_in_order(
      DType::float32,
      {reinterpret_cast<const std::byte*>(b.data()), reinterpret_cast<const std::byte*>(a.data())},
      2, reinterpret_cast<std::byte*>(a.data()));
  EXPECT_EQ(a, (std::vector<float>{11, 22}));
}

}  // namespace
}  // namespace unfold::core
