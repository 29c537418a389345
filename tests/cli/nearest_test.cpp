#include "cli/config/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace unfold::cli {
namespace {

TEST(Nearest, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("steps", "stps"), 1u);
  EXPECT_EQ(edit_distance("cpt", "ctp"), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);  // optimal string alignment, not full Damerau
}

TEST(Nearest, NothingWhenNothingIsNear) {
  const std::vector<std::string> names = {"full", "gist_only"};
  EXPECT_EQ(nearest_name("fulll", names), "full");
  EXPECT_EQ(nearest_name("banana", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name(std::string(1000, 'f'), names), "");
}

TEST(Nearest, KeyInAnotherSection) {
  const std::vector<std::string> keys = {"train.rows", "optimizer.lr", "train.steps"};
  EXPECT_EQ(nearest_key("train.lr", keys), "optimizer.lr");
  EXPECT_EQ(nearest_key("step", keys), "train.steps");
  EXPECT_EQ(nearest_key("train.row", keys), "train.rows");
  EXPECT_EQ(nearest_key("zebra.stripes", keys), "");
}

}  // namespace
}  // namespace unfold::cli
