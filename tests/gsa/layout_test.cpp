#include "gsa/layout.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace unfold::gsa {
namespace {

using Levels = std::vector<std::int8_t>;
using Documents = std::vector<std::int32_t>;

TEST(Layout, RopeCountsRawTokensOfTheDocument) {
  // s a b g1 G1 c | d g1 x | padding
  const Layout layout = make_layout(1, 11, 2, Levels{-1, -1, -1, 0, 1, -1, -1, 0, -1, -1, -1},
                                    Documents{0, 0, 0, 0, 0, 0, 1, 1, 1, -1, -1});
  EXPECT_EQ(layout.rope, (std::vector<std::int32_t>{0, 1, 2, 2, 2, 3, 0, 0, 1, 0, 0}));
  EXPECT_EQ(layout.size(), 11);
}

TEST(Layout, PositionCountIsAboveAllPositions) {
  Layout layout;
  EXPECT_EQ(position_count(layout), 1);
  layout.rope = {0, 4, -1, 2};
  EXPECT_EQ(position_count(layout), 5);
}

TEST(Layout, RowsAreIndependent) {
  const Layout layout =
      make_layout(2, 3, 1, Levels{-1, -1, 0, -1, 0, -1}, Documents{0, 0, 0, 0, 0, 0});
  EXPECT_EQ(layout.rope, (std::vector<std::int32_t>{0, 1, 1, 0, 0, 1}));
}

TEST(Layout, EmptyIsAllowed) {
  EXPECT_EQ(make_layout(0, 8, 1, {}, {}).size(), 0);
  EXPECT_EQ(make_layout(3, 0, 1, {}, {}).size(), 0);
}

TEST(Layout, RejectsWrongSizes) {
  EXPECT_THROW(make_layout(1, 3, 1, Levels{-1, -1}, Documents{0, 0, 0}), core::InternalError);
  EXPECT_THROW(make_layout(1, 2, 1, Levels{-1, -1}, Documents{0, 0, 0}), core::InternalError);
  EXPECT_THROW(make_layout(-1, 2, 1, {}, {}), core::InternalError);
  EXPECT_THROW(make_layout(1, std::int64_t{1} << 40, 1, {}, {}), core::InternalError);
  EXPECT_THROW(make_layout(std::int64_t{1} << 62, 4, 1, {}, {}), core::InternalError);
}

TEST(Layout, RejectsDocumentsOutOfOrder) {
  const Levels raw{-1, -1, -1};
  EXPECT_THROW(make_layout(1, 3, 1, raw, Documents{0, 1, 0}), core::InternalError);
  EXPECT_THROW(make_layout(1, 3, 1, raw, Documents{1, 1, 1}), core::InternalError);
  EXPECT_THROW(make_layout(1, 3, 1, raw, Documents{0, 2, 2}), core::InternalError);
  EXPECT_THROW(make_layout(1, 3, 1, raw, Documents{0, -2, -2}), core::InternalError);
  EXPECT_THROW(make_layout(1, 3, 1, raw, Documents{-1, 0, 0}), core::InternalError);
}

TEST(Layout, RejectsUnknownLevelsAndGistPadding) {
  EXPECT_THROW(make_layout(1, 2, 1, Levels{-1, 1}, Documents{0, 0}), core::InternalError);
  EXPECT_THROW(make_layout(1, 2, 1, Levels{-1, -2}, Documents{0, 0}), core::InternalError);
  EXPECT_THROW(make_layout(1, 2, 1, Levels{-1, 0}, Documents{0, -1}), core::InternalError);
  EXPECT_THROW(make_layout(1, 2, 0, Levels{-1, 0}, Documents{0, 0}), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
