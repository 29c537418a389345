#include "gsa/reach.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "gsa/insertion.h"
#include "gsa/visibility.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

constexpr Visibility kModes[] = {Visibility::gist, Visibility::full, Visibility::causal};

void expect_equal_to_rule(const Layout& layout, const GistConfig& config, Visibility mode) {
  const Reach reach = compute_reach(layout, config, mode);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const VisibilityCounts counts = count_row(layout, row, config);
    for (std::int64_t q = 0; q < layout.length; ++q) {
      const int query_class = reach.query_class[static_cast<std::size_t>(row * layout.length + q)];
      for (std::int64_t k = 0; k < layout.length; ++k) {
        const bool reached = k <= q && q < reach.at(row, query_class, k);
        ASSERT_EQ(reached, visible(counts, q, k, config, mode))
            << "row " << row << " query " << q << " key " << k << " mode " << static_cast<int>(mode)
            << " P " << config.previous_chunks << " S " << config.sinks;
      }
    }
  }
}

class ReachOfLevels : public testing::TestWithParam<int> {};

TEST_P(ReachOfLevels, EqualsTheRuleForEveryPair) {
  RandomLayoutOptions options{.rows = 2, .length = 72, .levels = GetParam()};
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    options.documents = seed % 3 != 0;
    const Layout layout = random_layout(seed, options);
    for (const Visibility mode : kModes) {
      expect_equal_to_rule(layout, random_gist_config(seed, options), mode);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(ReachOfLevels, EqualsTheRuleForEveryPreviousAndSinkCount) {
  const RandomLayoutOptions options{.rows = 2, .length = 64, .levels = GetParam()};
  for (std::int64_t previous = 0; previous <= 3; ++previous) {
    for (std::int64_t sinks = 0; sinks <= 4; ++sinks) {
      const GistConfig config{.chunks = {}, .sinks = sinks, .previous_chunks = previous};
      const auto seed = static_cast<std::uint64_t>(1000 + previous * 5 + sinks);
      expect_equal_to_rule(random_layout(seed, options), config, Visibility::gist);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ReachOfLevels, testing::Values(0, 1, 2, 3, 4));

TEST(Reach, EqualsTheRuleForInsertedGists) {
  for (const std::vector<std::int64_t>& chunks :
       {std::vector<std::int64_t>{8}, {3, 2}, {2, 1}, {2, 2, 2}, {1, 1, 1}}) {
    const GistConfig config{.chunks = chunks, .rule = InsertionRule::count};
    std::vector<std::int8_t> level;
    for (const Element& element : insert_gists(40, {}, config)) level.push_back(element.level);
    level.insert(level.end(), 9, -1);
    const auto length = static_cast<std::int64_t>(level.size());
    const std::vector<std::int32_t> document(level.size(), 0);
    expect_equal_to_rule(make_layout(1, length, config.levels(), level, document), config,
                         Visibility::gist);
  }
}

TEST(Reach, HugePreviousAndSinksAreEverything) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const RandomLayoutOptions options{.levels = 2};
  const Layout layout = random_layout(5, options);
  expect_equal_to_rule(layout, {.chunks = {2, 2}, .sinks = 0, .previous_chunks = kHuge},
                       Visibility::gist);
  expect_equal_to_rule(layout, {.chunks = {2, 2}, .sinks = kHuge, .previous_chunks = 0},
                       Visibility::gist);
}

TEST(Reach, RejectsHierarchiesThatAreNotNested) {
  const GistConfig config{.chunks = {2, 2}};
  const auto reach_of = [&](std::vector<std::int8_t> level, std::vector<std::int32_t> document) {
    const auto length = static_cast<std::int64_t>(level.size());
    return compute_reach(make_layout(1, length, 3, level, document), config, Visibility::gist);
  };
  EXPECT_NO_THROW(reach_of({-1, 0, 1, 2, -1}, {0, 0, 0, 0, 0}));
  EXPECT_THROW(reach_of({1, 0, 1}, {0, 0, 0}), core::InternalError);          // G g G
  EXPECT_THROW(reach_of({-1, 0, -1, 1}, {0, 0, 0, 0}), core::InternalError);  // x g x G
  EXPECT_THROW(reach_of({-1, 0, 2}, {0, 0, 0}), core::InternalError);         // x g GG
  EXPECT_THROW(reach_of({-1, 0, 1, 1}, {0, 0, 0, 0}), core::InternalError);   // x g G G
  EXPECT_THROW(reach_of({-1, 0, 1, -1}, {0, 0, 1, 1}), core::InternalError);  // x g | G x
  try {
    reach_of({-1, 0, 2}, {0, 0, 0});
  } catch (const core::InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("row 0 position 2: level-2 gist not directly behind"),
              std::string::npos)
        << error.what();
  }
}

TEST(Reach, EmptyLayouts) {
  EXPECT_TRUE(compute_reach(make_layout(0, 8, 1, {}, {}), {}, Visibility::gist).end.empty());
  EXPECT_TRUE(compute_reach(make_layout(2, 0, 1, {}, {}), {}, Visibility::gist).end.empty());
}

}  // namespace
}  // namespace unfold::gsa
