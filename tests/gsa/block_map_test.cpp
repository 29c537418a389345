#include "gsa/block_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "core/error.h"
#include "gsa/insertion.h"
#include "gsa/visibility.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

constexpr Visibility kModes[] = {Visibility::gist, Visibility::full, Visibility::causal};

// Rows of documents with inserted gists and a raw suffix of `suffix` tokens, cut at the row's end.
Layout inserted_rows(std::int64_t rows, std::int64_t length, std::int64_t document_tokens,
                     std::int64_t suffix, const GistConfig& config) {
  std::vector<std::uint8_t> starts(static_cast<std::size_t>(document_tokens));
  for (std::size_t i = 0; i < starts.size(); ++i) starts[i] = i % 7 != 3 && i % 5 != 1 ? 1 : 0;
  std::vector<std::int8_t> one;
  for (const Element& element : insert_gists(document_tokens, starts, config)) {
    one.push_back(element.level);
  }
  one.insert(one.end(), static_cast<std::size_t>(suffix), -1);
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t t = 0; t < length; ++t) {
      const auto size = static_cast<std::int64_t>(one.size());
      level.push_back(one[static_cast<std::size_t>(t % size)]);
      document.push_back(static_cast<std::int32_t>(t / size));
    }
  }
  return make_layout(rows, length, config.levels(), level, document);
}

// Keys seen by at least one query of the tile, by the rule itself.
std::vector<bool> seen_by_tile(const VisibilityCounts& counts, std::int64_t first,
                               std::int64_t last, const GistConfig& config, Visibility mode) {
  std::vector<bool> seen(static_cast<std::size_t>(counts.length), false);
  for (std::int64_t k = 0; k < last; ++k) {
    for (std::int64_t q = std::max(first, k); q < last; ++q) {
      if (!visible(counts, q, k, config, mode)) continue;
      seen[static_cast<std::size_t>(k)] = true;
      break;
    }
  }
  return seen;
}

// Checks order, ranges and their ends; returns the number of keys a perfect map would visit.
std::int64_t check_map(const BlockMap& map, const Layout& layout, const GistConfig& config,
                       Visibility mode) {
  std::int64_t minimal = 0;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const std::vector<std::int32_t> order(map.order.begin() + row * layout.length,
                                          map.order.begin() + (row + 1) * layout.length);
    std::vector<std::int32_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (std::int64_t t = 0; t < layout.length; ++t) {
      EXPECT_EQ(sorted[static_cast<std::size_t>(t)], t) << "order is not a permutation";
    }
    const VisibilityCounts counts = count_row(layout, row, config);
    for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
      const std::int64_t first = tile * map.query_tile;
      const std::int64_t last = std::min(first + map.query_tile, layout.length);
      std::vector<bool> missing = seen_by_tile(counts, first, last, config, mode);
      minimal += std::count(missing.begin(), missing.end(), true);
      const std::vector<bool> seen = missing;
      const auto is_seen = [&](std::int32_t gathered) {
        return seen[static_cast<std::size_t>(order[static_cast<std::size_t>(gathered)])];
      };
      std::int32_t behind = 0;  // end of the range before: ranges ascend and never overlap
      for (const KeyRange& range : map.tile_ranges(row, tile)) {
        EXPECT_LE(behind, range.begin);
        EXPECT_LT(range.begin, range.end);
        EXPECT_LE(range.end, layout.length);
        behind = range.end;
        EXPECT_TRUE(is_seen(range.begin)) << "range begins too early";
        EXPECT_TRUE(is_seen(range.end - 1)) << "range ends too late";
        for (std::int32_t i = range.begin; i < range.end; ++i) {
          missing[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = false;
        }
      }
      EXPECT_EQ(std::count(missing.begin(), missing.end(), true), 0)
          << "row " << row << " tile " << tile << ": a visible key is in no range";
    }
  }
  return minimal;
}

class BlockMapOfLevels : public testing::TestWithParam<int> {};

TEST_P(BlockMapOfLevels, CoversEveryVisibleKeyOnce) {
  RandomLayoutOptions options{.rows = 2, .length = 70, .levels = GetParam()};
  constexpr std::int64_t kTiles[] = {1, 3, 16, 64, 100};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Layout layout = random_layout(seed, options);
    const GistConfig config = random_gist_config(seed, options);
    for (const Visibility mode : kModes) {
      check_map(make_block_map(layout, config, mode, kTiles[seed % 5]), layout, config, mode);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << " mode " << static_cast<int>(mode);
    }
  }
}

// A map of some queries holds those alone, in order, with the keys that they see.
TEST_P(BlockMapOfLevels, OfSomeQueriesCoversTheirKeys) {
  const RandomLayoutOptions options{.rows = 3, .length = 60, .levels = GetParam()};
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Layout layout = random_layout(seed, options);
    const GistConfig config = random_gist_config(seed, options);
    const Visibility mode = kModes[seed % 3];
    std::mt19937_64 random(seed);
    std::vector<std::uint8_t> attends(static_cast<std::size_t>(layout.size()), 0);
    for (std::size_t i = 0; i < attends.size(); ++i) {
      const bool first_row = i < static_cast<std::size_t>(layout.length);
      attends[i] = !first_row && random() % 3 == 0 ? 1 : 0;  // none in the first row
    }
    const BlockMap map =
        make_block_map(layout, config, mode, attends, std::int64_t{1} + static_cast<int>(seed % 9));
    std::vector<std::uint8_t> listed(attends.size(), 0);
    std::int64_t pairs = 0;
    for (std::int64_t row = 0; row < layout.rows; ++row) {
      const VisibilityCounts counts = count_row(layout, row, config);
      for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
        std::vector<bool> visited(static_cast<std::size_t>(layout.length), false);
        for (const KeyRange& range : map.tile_ranges(row, tile)) {
          for (std::int32_t i = range.begin; i < range.end; ++i) {
            const std::int32_t key = map.order[static_cast<std::size_t>(row * layout.length + i)];
            visited[static_cast<std::size_t>(key)] = true;
          }
        }
        for (const std::int32_t q : map.tile_queries(row, tile)) {
          ++listed[static_cast<std::size_t>(row * layout.length + q)];
          for (std::int64_t k = 0; k <= q; ++k) {
            if (!visible(counts, q, k, config, mode)) continue;
            ++pairs;
            EXPECT_TRUE(visited[static_cast<std::size_t>(k)]) << "query " << q << " key " << k;
          }
        }
      }
    }
    EXPECT_EQ(listed, attends) << "seed " << seed;
    EXPECT_EQ(count_visible_pairs(map), pairs) << "seed " << seed;
  }
}

TEST_P(BlockMapOfLevels, CountsPairsLikeBruteForce) {
  const RandomLayoutOptions options{.rows = 3, .length = 50, .levels = GetParam()};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Layout layout = random_layout(seed, options);
    const GistConfig config = random_gist_config(seed, options);
    for (const Visibility mode : kModes) {
      std::int64_t expected = 0;
      for (std::int64_t row = 0; row < layout.rows; ++row) {
        const VisibilityCounts counts = count_row(layout, row, config);
        for (std::int64_t q = 0; q < layout.length; ++q) {
          for (std::int64_t k = 0; k <= q; ++k) {
            if (visible(counts, q, k, config, mode)) ++expected;
          }
        }
      }
      ASSERT_EQ(count_visible_pairs(compute_reach(layout, config, mode)), expected)
          << "seed " << seed << " mode " << static_cast<int>(mode);
    }
  }
}

TEST_P(BlockMapOfLevels, OfWindowsCoversTheirKeysOnce) {
  const RandomLayoutOptions options{.rows = 3, .length = 70, .levels = GetParam()};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Layout layout = random_layout(seed, options);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::vector<KeyWindow> windows;
    for (std::int64_t row = 0; row < layout.rows; ++row) {
      for (std::size_t i = 0; i < document_spans(layout, row).size(); ++i) {
        windows.push_back({static_cast<std::int64_t>(random() % 5),
                           1 + static_cast<std::int64_t>(random() % 20)});
      }
    }
    const BlockMap map = make_window_map(layout, windows, 8);
    EXPECT_TRUE(map.causal_documents.empty());
    std::int64_t pairs = 0;
    std::size_t next = 0;
    for (std::int64_t row = 0; row < layout.rows; ++row) {
      // By query: the keys it reads by the rule, once each.
      std::vector<std::vector<int>> wanted(static_cast<std::size_t>(layout.length),
                                           std::vector<int>(70, 0));
      std::vector<std::vector<int>> found = wanted;
      std::int32_t padding = 0;
      for (const DocumentSpan& document : document_spans(layout, row)) {
        const KeyWindow& window = windows[next++];
        padding = document.end;
        for (std::int32_t q = document.begin; q < document.end; ++q) {
          for (std::int32_t k = document.begin; k <= q; ++k) {
            const bool reads = k - document.begin < window.sinks || q - k < window.size;
            wanted[static_cast<std::size_t>(q)][static_cast<std::size_t>(k)] = reads ? 1 : 0;
            pairs += reads ? 1 : 0;
          }
        }
      }
      for (; padding < layout.length; ++padding) {
        wanted[static_cast<std::size_t>(padding)][static_cast<std::size_t>(padding)] = 1;
        ++pairs;
      }
      for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
        for (const KeyRange& range : map.tile_ranges(row, tile)) {
          for (std::int32_t i = range.begin; i < range.end; ++i) {
            const auto k = map.order[static_cast<std::size_t>(row * layout.length + i)];
            for (const std::int32_t q : map.tile_queries(row, tile)) {
              if (k > q || q >= map.reach.at(row, 0, k)) continue;
              ++found[static_cast<std::size_t>(q)][static_cast<std::size_t>(k)];
            }
          }
        }
      }
      ASSERT_EQ(found, wanted) << "seed " << seed << " row " << row;
    }
    EXPECT_EQ(count_visible_pairs(map), pairs) << "seed " << seed;
  }
}

TEST(BlockMap, WantsAWindowForEveryDocument) {
  const std::vector<std::int32_t> document = {0, 0, 0, 1, 1, 1};
  const Layout layout = make_layout(1, 6, 0, std::vector<std::int8_t>(6, -1), document);
  EXPECT_NO_THROW(make_window_map(layout, std::vector<KeyWindow>(2)));
  for (const std::size_t count : {0u, 1u, 3u}) {
    EXPECT_THROW(make_window_map(layout, std::vector<KeyWindow>(count)), core::InternalError);
  }
  EXPECT_THROW(make_window_map(layout, std::vector<KeyWindow>(2, {1, 0})), core::InternalError);
}

TEST_P(BlockMapOfLevels, WithLinks) {
  if (GetParam() == 0) GTEST_SKIP() << "links stand behind gists";
  constexpr std::int64_t kTiles[] = {1, 3, 16, 64, 100};
  const RandomLayoutOptions options{
      .rows = 2, .length = 90, .levels = GetParam(), .max_chunks = 5, .links = true};
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Layout layout = random_layout(seed, options);
    const GistConfig config = random_gist_config(seed, options);
    for (const Visibility mode : kModes) {
      const BlockMap map = make_block_map(layout, config, mode, kTiles[seed % 5]);
      check_map(map, layout, config, mode);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << " mode " << static_cast<int>(mode);
      std::int64_t expected = 0;
      for (std::int64_t row = 0; row < layout.rows; ++row) {
        const VisibilityCounts counts = count_row(layout, row, config);
        for (std::int64_t q = 0; q < layout.length; ++q) {
          for (std::int64_t k = 0; k <= q; ++k) expected += visible(counts, q, k, config, mode);
        }
      }
      ASSERT_EQ(count_visible_pairs(map), expected) << "seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, BlockMapOfLevels, testing::Values(0, 1, 2, 3));

TEST(BlockMap, VisitsLittleMoreThanNeeded) {
  struct Case {
    std::vector<std::int64_t> chunks;
    std::int64_t length, document_tokens, suffix;
  };
  const Case cases[] = {{{8}, 1024, 900, 20},    {{8}, 1024, 4000, 0},    {{8}, 1024, 150, 12},
                        {{4, 4}, 1024, 780, 30}, {{8, 4}, 1024, 4000, 0}, {{4, 2, 2}, 1024, 640, 9},
                        {{32}, 1024, 990, 3},    {{8}, 1024, 40, 6}};
  for (const Case& shape : cases) {
    const GistConfig config{.chunks = shape.chunks};
    const Layout layout =
        inserted_rows(1, shape.length, shape.document_tokens, shape.suffix, config);
    for (const Visibility mode : kModes) {
      const BlockMap map = make_block_map(layout, config, mode);
      const std::int64_t minimal = check_map(map, layout, config, mode);
      EXPECT_LE(static_cast<double>(map.visited_keys()), 1.3 * static_cast<double>(minimal))
          << "chunk " << shape.chunks[0] << " levels " << shape.chunks.size() << " document "
          << shape.document_tokens;
    }
  }
}

TEST(BlockMap, GistTilesReadFarFewerKeysThanCausalOnes) {
  const GistConfig config{.chunks = {8}};
  const Layout layout = inserted_rows(1, 1024, 4000, 0, config);
  const std::int64_t causal = make_block_map(layout, config, Visibility::causal).visited_keys();
  const std::int64_t gist = make_block_map(layout, config, Visibility::gist).visited_keys();
  EXPECT_EQ(causal, 64 * (16 * 17) / 2);  // tile i reads 64 (i + 1) keys
  // A tile reads the gists so far (at most 1/8 of the keys before it, plus its own), the sinks, and
  // raw tokens of its 64 positions, the chunk before and the chunk it begins in.
  EXPECT_LE(gist, causal / 8 + 16 * (3 + 64 + 3 * 8 + 8));
}

TEST(BlockMap, CausalKeepsTheOrder) {
  const RandomLayoutOptions options{.levels = 2};
  const BlockMap map =
      make_block_map(random_layout(3, options), {.chunks = {2, 2}}, Visibility::causal, 16);
  for (std::size_t i = 0; i < map.order.size(); ++i) {
    EXPECT_EQ(map.order[i], static_cast<std::int32_t>(i) % 64);
  }
}

TEST(BlockMap, GathersGroupsInTheirDocumentedOrder) {
  // s a b g1 c d g2 G1 e f g3 h i g4 G2 x, S = 1: s and G | g | raw.
  const std::vector<std::int8_t> level{-1, -1, -1, 0, -1, -1, 0, 1, -1, -1, 0, -1, -1, 0, 1, -1};
  const Layout layout = make_layout(1, 16, 2, level, std::vector<std::int32_t>(16, 0));
  const GistConfig config{.chunks = {2, 2}, .sinks = 1, .previous_chunks = 1};
  const BlockMap map = make_block_map(layout, config, Visibility::gist, 1);
  EXPECT_EQ(map.order,
            (std::vector<std::int32_t>{0, 7, 14, 3, 6, 10, 13, 1, 2, 4, 5, 8, 9, 11, 12, 15}));
  // x at 15 sees s, G1, G2, the gists and raw tokens of the chunk before (g3, g4; h, i), itself.
  const auto last = map.tile_ranges(0, 15);
  EXPECT_EQ((std::vector<KeyRange>(last.begin(), last.end())),
            (std::vector<KeyRange>{{0, 3}, {5, 7}, {13, 16}}));
}

TEST(BlockMap, LongRowsAreFast) {
  const GistConfig config{.chunks = {8, 4}};
  const Layout layout = inserted_rows(1, 131072, 200000, 0, config);
  const auto begin = std::chrono::steady_clock::now();
  const BlockMap map = make_block_map(layout, config, Visibility::gist);
  const std::int64_t pairs = count_visible_pairs(map.reach);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_LT(seconds, 1.0);
  EXPECT_EQ(map.tiles_per_row, 2048);
  EXPECT_GE(map.visited_keys() * map.query_tile, pairs);
}

TEST(BlockMap, EmptyAndBadInput) {
  const GistConfig config;
  const Layout empty = make_layout(2, 0, 1, {}, {});
  const BlockMap map = make_block_map(empty, config, Visibility::gist);
  EXPECT_EQ(map.tiles_per_row, 0);
  EXPECT_EQ(map.visited_keys(), 0);
  EXPECT_THROW(map.tile_ranges(0, 0), core::InternalError);
  EXPECT_THROW(make_block_map(empty, config, Visibility::gist, 0), core::InternalError);
}

// Where a map names causal documents, it is causal attention of each by itself, pair by pair; and
// it names them wherever visibility is causal or no document has a gist.
TEST_P(BlockMapOfLevels, CausalDocumentsSayWhatTheMapIs) {
  int named = 0;
  int others = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    // Every third layout has no gist, though the model may know some.
    const RandomLayoutOptions options{.rows = 3,
                                      .length = 40,
                                      .levels = seed % 3 == 0 ? 0 : GetParam(),
                                      .padding = seed % 2 == 0,
                                      .documents = seed % 5 != 0};
    const Layout drawn = random_layout(seed, options);
    const Layout layout =
        make_layout(drawn.rows, drawn.length, GetParam(), drawn.level, drawn.document);
    const GistConfig config = random_gist_config(seed, options);
    for (const Visibility mode : kModes) {
      const BlockMap map = make_block_map(layout, config, mode);
      const bool has_gist = std::any_of(layout.level.begin(), layout.level.end(),
                                        [](std::int8_t level) { return level >= 0; });
      const bool has_token = std::any_of(layout.document.begin(), layout.document.end(),
                                         [](std::int32_t document) { return document >= 0; });
      ASSERT_EQ(!map.causal_documents.empty(),
                has_token && (mode == Visibility::causal || !has_gist))
          << "seed " << seed << " mode " << static_cast<int>(mode);
      ++(map.causal_documents.empty() ? others : named);
      if (map.causal_documents.empty()) {
        EXPECT_FALSE(map.causal_rows());
        continue;
      }
      // The first token of the document that a token stands in; its own where it stands in none.
      std::vector<std::int64_t> first(static_cast<std::size_t>(layout.size()));
      for (std::size_t t = 0; t < first.size(); ++t) first[t] = static_cast<std::int64_t>(t);
      std::int64_t behind = 0;
      for (const TokenSpan& document : map.causal_documents) {
        ASSERT_GE(document.begin, behind);
        ASSERT_GT(document.length, 0);
        behind = document.begin + document.length;
        for (std::int64_t t = document.begin; t < behind; ++t) {
          first[static_cast<std::size_t>(t)] = document.begin;
        }
      }
      ASSERT_LE(behind, layout.size());
      for (std::int64_t row = 0; row < layout.rows; ++row) {
        const VisibilityCounts counts = count_row(layout, row, config);
        const std::int64_t begin = row * layout.length;
        for (std::int64_t q = 0; q < layout.length; ++q) {
          for (std::int64_t k = 0; k < layout.length; ++k) {
            const bool causal = k <= q && begin + k >= first[static_cast<std::size_t>(begin + q)];
            ASSERT_EQ(visible(counts, q, k, config, mode), causal)
                << "seed " << seed << " row " << row << " query " << q << " key " << k;
          }
        }
      }
    }
  }
  EXPECT_GT(named, 0);
  EXPECT_TRUE(others > 0 || GetParam() == 0);
}

TEST(BlockMap, CausalRowsAreWholeDocuments) {
  const auto map_of = [](std::vector<std::int32_t> document, std::int64_t length) {
    const std::vector<std::int8_t> level(document.size(), -1);
    const auto rows = static_cast<std::int64_t>(document.size()) / length;
    return make_block_map(make_layout(rows, length, 1, level, document), {}, Visibility::gist);
  };
  const BlockMap whole = map_of({0, 0, 0, 0, 0, 0}, 3);
  EXPECT_TRUE(whole.causal_rows());
  EXPECT_EQ(whole.causal_documents, (std::vector<TokenSpan>{{0, 3}, {3, 3}}));
  const BlockMap padded = map_of({0, 0, 0, 0, 0, -1}, 3);
  EXPECT_FALSE(padded.causal_rows());
  EXPECT_EQ(padded.causal_documents, (std::vector<TokenSpan>{{0, 3}, {3, 2}}));
  const BlockMap packed = map_of({0, 1, 1, 0, 0, 0}, 3);
  EXPECT_FALSE(packed.causal_rows());
  EXPECT_EQ(packed.causal_documents, (std::vector<TokenSpan>{{0, 1}, {1, 2}, {3, 3}}));
  EXPECT_TRUE(map_of({-1, -1, -1}, 3).causal_documents.empty());
}

// Where some tokens do not attend, the map is not what it seems.
TEST(BlockMap, RestrictedMapsNameNoCausalDocuments) {
  const Layout layout =
      make_layout(1, 3, 0, std::vector<std::int8_t>(3, -1), std::vector<std::int32_t>(3, 0));
  const std::vector<std::uint8_t> attends = {1, 1, 0};
  const BlockMap map = make_block_map(layout, {.chunks = {}}, Visibility::causal, attends);
  EXPECT_TRUE(map.causal_documents.empty());
  EXPECT_FALSE(map.causal_rows());
}

}  // namespace
}  // namespace unfold::gsa
