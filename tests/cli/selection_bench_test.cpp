// unfold bench selection: the counts of the decoding code against the bound and against flat
// scoring.
#include "cli/bench/selection_bench.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

TEST(SelectionBench, CountsOfFullTrees) {
  // 3 sinks and whole chunks: every gist covers as many as it can.
  bench::SelectionBenchOptions options;
  options.contexts = {3 + 8 * 4 * 4 * 8, 3 + 8 * 4 * 4 * 128};
  options.chunks = {8, 4, 4};
  options.budget = 2;
  const std::vector<bench::SelectionCost> costs = bench::measure_selection(options);
  ASSERT_EQ(costs.size(), 2u);
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const std::int64_t top = i == 0 ? 8 : 128;
    const bench::SelectionCost& cost = costs[i];
    EXPECT_EQ(cost.gists, (std::vector<std::int64_t>{16 * top, 4 * top, top}));
    EXPECT_EQ(cost.bound, top + 2 * 4 * 2);
    EXPECT_EQ(cost.scored, static_cast<double>(cost.bound));
    EXPECT_EQ(cost.flat, static_cast<double>(16 * top));
    EXPECT_TRUE(cost.within_bound());
    EXPECT_GT(cost.seconds, 0);
    EXPECT_LT(cost.seconds, 60);
  }
  // What is read does not grow with the context.
  EXPECT_LE(costs[1].keys, costs[0].keys * 1.5);
}

TEST(SelectionBench, WithinTheBoundForAnyShapeOfTree) {
  for (const std::vector<std::int64_t>& chunks :
       {std::vector<std::int64_t>{8}, std::vector<std::int64_t>{4, 2},
        std::vector<std::int64_t>{3, 5, 2, 2}, std::vector<std::int64_t>{1, 1, 7}}) {
    for (const std::int64_t budget : {1, 3, 1000}) {
      bench::SelectionBenchOptions options;
      options.contexts = {1, 2, 7, 100, 999};
      options.chunks = chunks;
      options.budget = budget;
      options.steps = 3;
      for (const bench::SelectionCost& cost : bench::measure_selection(options)) {
        EXPECT_LE(cost.scored, static_cast<double>(cost.bound)) << cost.context;
        EXPECT_GE(cost.scored, static_cast<double>(cost.gists.back()));
        EXPECT_EQ(cost.flat, static_cast<double>(cost.gists.front()));
        if (chunks.size() == 1) {
          EXPECT_EQ(cost.scored, cost.flat);
        }
      }
    }
  }
}

TEST(SelectionBench, OptionsOutOfRange) {
  const auto measure = [](const bench::SelectionBenchOptions& options) {
    bench::measure_selection(options);
  };
  EXPECT_THROW(measure({.contexts = {}}), core::UserError);
  EXPECT_THROW(measure({.contexts = {0}}), core::UserError);
  EXPECT_THROW(measure({.contexts = {bench::kLongestContext + 1}}), core::UserError);
  EXPECT_THROW(measure({.contexts = {9}, .chunks = {}}), core::UserError);
  EXPECT_THROW(measure({.contexts = {9}, .chunks = {8, 0}}), core::UserError);
  EXPECT_THROW(measure({.contexts = {9}, .budget = 0}), core::UserError);
  EXPECT_THROW(measure({.contexts = {9}, .steps = 0}), core::UserError);
}

TEST(SelectionBench, ARowBeyondItsBoundIsSaid) {
  bench::SelectionCost cost;
  cost.context = 64;
  cost.gists = {8, 2};
  cost.budget = 1;
  cost.scored = 6.5;
  cost.bound = 6;
  EXPECT_FALSE(cost.within_bound());
  bench::SelectionBenchOptions options;
  options.chunks = {8, 4};
  EXPECT_EQ(bench::selection_section(options, {cost}).notes.back(), "within bound: no");
  cost.scored = 6;
  EXPECT_EQ(bench::selection_section(options, {cost}).notes.back(), "within bound: yes");
}

TEST(BenchCommand, Selection) {
  const std::string command = "bench selection --contexts 300,5000 --chunks 8,4,2 --budget 3";
  const ProgramResult json = run_unfold(command + " --format json");
  ASSERT_EQ(json.code, 0) << json.err;
  const auto section = nlohmann::json::parse(json.out)["selection"];
  ASSERT_EQ(section["rows"].size(), 2u);
  for (const auto& row : section["rows"]) {
    EXPECT_EQ(row["k"], 3);
    EXPECT_LE(row["scores"].get<double>(), row["bound"].get<double>());
    EXPECT_EQ(row["bound"].get<double>(), row["gists_2"].get<double>() + 3 * (4 + 2));
    EXPECT_EQ(row["flat"], row["gists_0"]);
    EXPECT_GT(row["us"].get<double>(), 0);
  }
  EXPECT_EQ(section["rows"][0]["context"], 300);
  EXPECT_EQ(section["notes"].back(), "within bound: yes");
  const ProgramResult text = run_unfold(command);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("\n  within bound: yes\n"), std::string::npos) << text.out;
}

TEST(BenchCommand, SelectionErrors) {
  for (const std::string option : {"--contexts 0", "--contexts 1024,x", "--contexts 99999999",
                                   "--chunks 0", "--chunks 8,-1", "--budget 0", "--format csv"}) {
    const ProgramResult result = run_unfold("bench selection " + option);
    EXPECT_EQ(result.code, 2) << option;
    EXPECT_EQ(result.out, "") << option;
    EXPECT_TRUE(result.err_is_one_line()) << option << "\n" << result.err;
  }
}

}  // namespace
}  // namespace unfold::cli
