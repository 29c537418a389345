// How the work of the keys' gradients is divided: every visit once, whatever the map.
#include "gsa/key_work.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/gsa/attention_case.h"

namespace unfold::gsa {
namespace {

// Query tiles by (row, tile of keys), from the ranges of the map.
std::map<std::pair<int, int>, std::set<int>> visits_of(const BlockMap& map) {
  std::map<std::pair<int, int>, std::set<int>> visits;
  for (int row = 0; row < static_cast<int>(map.rows()); ++row) {
    for (int tile = 0; tile < static_cast<int>(map.tiles_per_row); ++tile) {
      for (const KeyRange& range : map.tile_ranges(row, tile)) {
        for (int key = range.begin; key < range.end; ++key) {
          visits[{row, key / kKeyTile}].insert(tile);
        }
      }
    }
  }
  return visits;
}

void expect_divided_well(const BlockMap& map, std::int64_t most, const std::string& what) {
  const KeyWork work = divide_key_work(map);
  const auto visits = visits_of(map);
  std::map<std::pair<int, int>, std::vector<KeyItem>> items;
  for (std::size_t i = 0; i < work.items.size(); ++i) {
    const KeyItem& item = work.items[i];
    items[{item.row, item.tile}].push_back(item);
    if (i > 0) {
      EXPECT_LE(item.queries, work.items[i - 1].queries) << what;
    }
  }
  const auto key_tiles = (map.length() + kKeyTile - 1) / kKeyTile;
  EXPECT_EQ(items.size(), static_cast<std::size_t>(map.rows() * key_tiles)) << what;
  std::set<std::int32_t> slots;
  std::size_t divided = 0;
  for (auto& [place, of_tile] : items) {
    std::sort(of_tile.begin(), of_tile.end(),
              [](const KeyItem& a, const KeyItem& b) { return a.begin < b.begin; });
    std::vector<int> visitors;
    for (const KeyItem& item : of_tile) {
      std::int64_t queries = 0;
      for (std::int32_t v = item.begin; v < item.end; ++v) {
        visitors.push_back(work.visitors[static_cast<std::size_t>(v)]);
        queries += static_cast<std::int64_t>(map.tile_queries(item.row, visitors.back()).size());
      }
      EXPECT_EQ(queries, item.queries) << what;
      EXPECT_LT(queries, most + map.query_tile) << what;
      EXPECT_EQ(item.slot < 0, of_tile.size() == 1) << what;
      if (item.slot >= 0) {
        EXPECT_TRUE(slots.insert(item.slot).second) << what;
      }
    }
    const auto expected = visits.find(place);
    EXPECT_EQ(visitors, expected == visits.end()
                            ? std::vector<int>{}
                            : std::vector<int>(expected->second.begin(), expected->second.end()))
        << what;
    if (of_tile.size() == 1) continue;
    const auto tile = std::find_if(work.divided.begin(), work.divided.end(), [&](const auto& d) {
      return d.row == place.first && d.tile == place.second;
    });
    ASSERT_NE(tile, work.divided.end()) << what;
    EXPECT_EQ(tile->parts, static_cast<int>(of_tile.size())) << what;
    // Slots are in the order of the queries.
    for (std::size_t i = 0; i < of_tile.size(); ++i) {
      EXPECT_EQ(of_tile[i].slot, tile->slot + static_cast<int>(i)) << what;
    }
    ++divided;
  }
  EXPECT_EQ(divided, work.divided.size()) << what;
  EXPECT_EQ(slots.size(), static_cast<std::size_t>(work.slots)) << what;
}

TEST(KeyWork, RandomMaps) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const AttentionCase one =
        make_attention_case(seed, static_cast<int>(seed % 4), 150, core::DType::float32);
    expect_divided_well(*map_of(one), kFewestQueries, "seed " + std::to_string(seed));
  }
}

TEST(KeyWork, LongRowsAreDivided) {
  std::vector<std::int8_t> level(6000, -1);
  for (std::size_t t = 16; t < level.size(); t += 17) level[t] = 0;
  const std::vector<std::int32_t> document(level.size(), 0);
  const Layout layout = make_layout(1, 6000, 1, level, document);
  const GistConfig config{.chunks = {16}};
  const BlockMap map = make_block_map(layout, config, Visibility::gist);
  expect_divided_well(map, kFewestQueries, "gists");
  const KeyWork work = divide_key_work(map);
  // The first gists are seen by nearly all 6000 queries.
  EXPECT_EQ(work.items.front().tile, 0);
  EXPECT_GE(work.divided.front().parts, 11);
  // Most keys are raw, and seen by few.
  EXPECT_LT(work.divided.size(), 10u);
}

TEST(KeyWork, NobodyAsks) {
  const Layout layout =
      make_layout(1, 100, 0, std::vector<std::int8_t>(100, -1), std::vector<std::int32_t>(100, 0));
  const std::vector<std::uint8_t> nobody(100, 0);
  const BlockMap map = make_block_map(layout, {.chunks = {}}, Visibility::causal, nobody);
  const KeyWork work = divide_key_work(map);
  ASSERT_EQ(work.items.size(), 2u);
  for (const KeyItem& item : work.items) {
    EXPECT_EQ(item.queries, 0);
    EXPECT_EQ(item.slot, -1);
  }
  EXPECT_TRUE(longest_first(map).empty());
}

TEST(KeyWork, LongestQueryTilesFirst) {
  const Layout layout =
      make_layout(2, 200, 0, std::vector<std::int8_t>(400, -1), std::vector<std::int32_t>(400, 0));
  const BlockMap map = make_block_map(layout, {.chunks = {}}, Visibility::causal);
  EXPECT_EQ(longest_first(map), (std::vector<std::int32_t>{3, 7, 2, 6, 1, 5, 0, 4}));
}

}  // namespace
}  // namespace unfold::gsa
