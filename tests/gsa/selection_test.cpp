#include "gsa/selection.h"

#include <gtest/gtest.h>
#include <omp.h>

#include "core/error.h"
#include "tests/gsa/selection_oracle.h"
#include "tests/gsa/unfolding_case.h"

namespace unfold::gsa {
namespace {

using core::DType;
using core::Tensor;

std::shared_ptr<const Selection> select_of(const UnfoldingCase& one, DType dtype = DType::float64) {
  const core::Shape shape = {one.layout.size(), one.shape.qkv_width()};
  return select(Tensor::from(one.qkv, shape).to(dtype), one.shape, one.context());
}

// Picks as positions: what the oracle says.
std::vector<std::int32_t> positions(const DocumentChunks& document, int level,
                                    std::span<const std::int32_t> picks) {
  std::vector<std::int32_t> result;
  for (const std::int32_t pick : picks) {
    result.push_back(
        document.levels[static_cast<std::size_t>(level)].gist[static_cast<std::size_t>(pick)]);
  }
  return result;
}

// Compares every query with the oracle; returns their number.
std::int64_t check(const UnfoldingCase& one) {
  const std::vector<OracleQuery> expected =
      selection_oracle(one.qkv, one.shape, one.layout, one.gist, one.select_from, one.config);
  const UnfoldingContext context = one.context();
  const std::shared_ptr<const Selection> selection = select_of(one);
  EXPECT_EQ(context.table->suffix.size(), expected.size());
  if (testing::Test::HasFailure()) return 0;
  std::int64_t scores = 0;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const ChunkTable::SuffixQuery& query = context.table->suffix[i];
    const DocumentChunks& document = context.table->document_of(query);
    EXPECT_EQ(document.row, expected[i].row);
    EXPECT_EQ(query.position, expected[i].position);
    for (std::int64_t kv_head = 0; kv_head < one.shape.kv_heads; ++kv_head) {
      const auto head = static_cast<std::size_t>(kv_head);
      const auto index = static_cast<std::int64_t>(i);
      for (int level = 0; level < one.layout.levels; ++level) {
        EXPECT_EQ(positions(document, level, selection->of(index, kv_head, level)),
                  expected[i].picks[head][static_cast<std::size_t>(level)])
            << "row " << document.row << " query " << query.position << " level " << level;
      }
      std::vector<bool> sees(static_cast<std::size_t>(one.layout.length), false);
      std::int32_t before = -1;
      for (const std::int32_t key : unfolded_keys(context, *selection, index, kv_head)) {
        EXPECT_LT(before, key);
        before = key;
        sees[static_cast<std::size_t>(key)] = true;
      }
      EXPECT_EQ(sees, expected[i].sees[head])
          << "row " << document.row << " query " << query.position;
    }
    scores += expected[i].scores;
    most += expected[i].most_scores;
  }
  EXPECT_EQ(selection->scores_computed, scores);
  EXPECT_LE(selection->scores_computed, most);
  return static_cast<std::int64_t>(expected.size());
}

class SelectionOfLevels : public testing::TestWithParam<int> {};

TEST_P(SelectionOfLevels, PicksWhatTheOraclePicksWithLinks) {
  std::int64_t queries = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    queries += check(
        make_unfolding_case(seed, GetParam(), 50 + static_cast<std::int64_t>(seed % 40), 2, true));
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(queries, 1500);
}

// With the two other levels, 10,000 random cases.
TEST_P(SelectionOfLevels, PicksWhatTheOraclePicks) {
  std::int64_t queries = 0;
  for (std::uint64_t seed = 0; seed < 3334; ++seed) {
    queries +=
        check(make_unfolding_case(seed, GetParam(), 30 + static_cast<std::int64_t>(seed % 40)));
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GE(queries, 20000);
}

TEST_P(SelectionOfLevels, LongerRows) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    check(make_unfolding_case(seed, GetParam(), 260, 1));
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

// Where no two scores are close, float32 picks what float64 picks; so it does for values it holds
// exactly, ties included.
TEST_P(SelectionOfLevels, LowPrecisionOfExactScoresPicksTheSame) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), 50);
    if (one.config.pivot == Pivot::mean_pool || one.config.budget == Budget::top_p) continue;
    for (double& value : one.qkv) value = std::round(value * 2) / 2;
    const auto exact = select_of(one);
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const auto rounded = select_of(one, dtype);
      EXPECT_EQ(rounded->picks, exact->picks) << "seed " << seed;
      EXPECT_EQ(rounded->offsets, exact->offsets) << "seed " << seed;
    }
  }
}

TEST_P(SelectionOfLevels, SameForAnyThreadCount) {
  const int before = omp_get_max_threads();
  const UnfoldingCase one = make_unfolding_case(5, GetParam(), 300);
  omp_set_num_threads(1);
  const auto serial = select_of(one, DType::float32);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    const auto parallel = select_of(one, DType::float32);
    EXPECT_EQ(parallel->picks, serial->picks);
    EXPECT_EQ(parallel->offsets, serial->offsets);
    EXPECT_EQ(parallel->scores_computed, serial->scores_computed);
  }
  omp_set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Levels, SelectionOfLevels, testing::Values(1, 2, 3));

TEST(PickCount, Budgets) {
  SelectionConfig config{.quarter_cap = false, .chunk = 8, .rho = 16};
  // 1000 entries: 62 of 16, 31 a head of 2, 3 chunks of 8 and one.
  EXPECT_EQ(pick_count(config, 1000, 2, 100), 4);
  EXPECT_EQ(pick_count(config, 1000, 2, 3), 3);
  EXPECT_EQ(pick_count(config, 1, 2, 3), 1);
  config.budget = Budget::ratio;
  config.ratio = 4;  // 250, 125, 15
  EXPECT_EQ(pick_count(config, 1000, 2, 100), 16);
  config.budget = Budget::fixed;
  config.chunks = 9;
  EXPECT_EQ(pick_count(config, 1000, 2, 100), 9);
  config.quarter_cap = true;
  EXPECT_EQ(pick_count(config, 1000, 2, 20), 5);
  EXPECT_EQ(pick_count(config, 1000, 2, 3), 1);
  config.budget = Budget::top_p;
  EXPECT_EQ(pick_count(config, 1000, 2, 20, 3), 3);
  EXPECT_EQ(pick_count(config, 1000, 2, 20, 7), 5);
}

// k = round(all + (budget - all) * (1 - anneal)); at 1 the cap is gone, too.
TEST(PickCount, AnnealsFromAllToTheBudget) {
  SelectionConfig config{.budget = Budget::fixed, .chunks = 6, .quarter_cap = true};
  std::int64_t before = 40;
  for (const auto& [anneal, count] : std::vector<std::pair<double, std::int64_t>>{
           {1.0, 40}, {0.75, 32}, {0.5, 23}, {0.25, 15}, {0.1, 9}, {0.0, 6}}) {
    config.anneal = anneal;
    EXPECT_EQ(pick_count(config, 1000, 2, 40), count) << anneal;
    EXPECT_LE(count, before);
    before = count;
  }
}

TEST(Selection, AnnealedFullyPicksEverything) {
  UnfoldingCase one = make_unfolding_case(3, 2, 70);
  one.config.anneal = 1;
  const auto selection = select_of(one);
  const UnfoldingContext context = one.context();
  ASSERT_FALSE(context.table->suffix.empty());
  for (std::size_t i = 0; i < context.table->suffix.size(); ++i) {
    const auto& query = context.table->suffix[i];
    for (int level = 0; level < 2; ++level) {
      EXPECT_EQ(std::ssize(selection->of(static_cast<std::int64_t>(i), 0, level)),
                context.table->document_of(query).covered_gists(level, query.tops));
    }
  }
}

TEST(TopIndices, TiesGoToTheLowerIndex) {
  const std::vector<double> values = {1, 3, 2, 3, 2, 2};
  using Indices = std::vector<std::int32_t>;
  EXPECT_EQ(top_indices(values, 0), Indices{});
  EXPECT_EQ(top_indices(values, 1), (Indices{1}));
  EXPECT_EQ(top_indices(values, 3), (Indices{1, 2, 3}));
  EXPECT_EQ(top_indices(values, 4), (Indices{1, 2, 3, 4}));
  EXPECT_EQ(top_indices(values, 9), (Indices{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(top_indices(std::vector<double>{}, 2), Indices{});
}

TEST(ChunkTable, StreamingQueriesSeeTheChunksClosedBeforeThem) {
  //                                         0   1  2   3   4  5   6   7  8
  const std::vector<std::int8_t> level = {-1, -1, 0, -1, -1, 0, -1, -1, 0};
  const Layout layout = make_layout(1, 9, 1, level, std::vector<std::int32_t>(9, 0));
  EXPECT_TRUE(make_chunk_table(layout).suffix.empty());
  const ChunkTable table = make_chunk_table(layout, std::vector<std::int32_t>{1});
  ASSERT_EQ(table.suffix.size(), 4u);  // 1 has no gist before it, 2, 5 and 8 are gists
  EXPECT_EQ(table.suffix[0].position, 3);
  EXPECT_EQ(table.suffix[0].tops, 1);
  EXPECT_EQ(table.suffix[3].position, 7);
  EXPECT_EQ(table.suffix[3].tops, 2);
  EXPECT_EQ(table.documents[0].behind(2), 6);
  EXPECT_EQ(table.documents[0].suffix_begin, 9);
  EXPECT_THROW(make_chunk_table(layout, std::vector<std::int32_t>{1, 2}), core::InternalError);
  const Layout two =
      make_layout(2, 1, 1, std::vector<std::int8_t>{-1, -1}, std::vector<std::int32_t>{0, 0});
  EXPECT_THROW(make_chunk_table(two, std::vector<std::int32_t>{0}), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
