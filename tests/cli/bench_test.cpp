// unfold bench: its tables, and the program itself on the parts that are quick.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/bench/section.h"
#include "cli/bench/timing.h"
#include "cli/bench/tokenizer_bench.h"
#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

bench::Section example() {
  bench::Section section;
  section.key = "products";
  section.title = "two products";
  section.columns = {{"name", "name"}, {"gflops", "GFLOP/s", 1}, {"peer", "peer", 2}};
  section.rows = {{"first", 12.345, std::monostate{}}, {"the second", 7.0, 1.0}};
  section.notes = {"a note"};
  return section;
}

TEST(BenchSection, Text) {
  EXPECT_EQ(bench::to_text({example()}),
            "two products\n"
            "  name        GFLOP/s  peer\n"
            "  first          12.3     -\n"
            "  the second      7.0  1.00\n"
            "  a note\n");
  EXPECT_EQ(bench::to_text({}), "");
  bench::Section only_notes;
  only_notes.title = "nothing";
  only_notes.notes = {"because"};
  EXPECT_EQ(bench::to_text({example(), only_notes}),
            bench::to_text({example()}) + "\nnothing\n  because\n");
}

TEST(BenchSection, Json) {
  const auto json = nlohmann::json::parse(bench::to_json("a \"machine\"", {example()}));
  EXPECT_EQ(json["machine"], "a \"machine\"");
  EXPECT_EQ(json["products"]["title"], "two products");
  EXPECT_EQ(json["products"]["rows"][0]["gflops"], 12.345);
  EXPECT_TRUE(json["products"]["rows"][0]["peer"].is_null());
  EXPECT_EQ(json["products"]["rows"][1]["name"], "the second");
  EXPECT_EQ(json["products"]["notes"][0], "a note");
}

TEST(BenchTiming, EveryActionRunsInEveryRound) {
  int first = 0;
  int second = 0;
  const std::vector<double> best = bench::fastest_of(
      0, 3, [&] { ++first; }, [&] { second += first; });
  EXPECT_EQ(first, 4);  // one round is not counted
  EXPECT_EQ(second, 1 + 2 + 3 + 4);
  ASSERT_EQ(best.size(), 2u);
  for (const double seconds : best) {
    EXPECT_GE(seconds, 0);
    EXPECT_LT(seconds, 60);
  }
}

TEST(BenchTokenizer, InventedTextIsTheSameAtEveryCall) {
  const std::string text = bench::invented_text(10000);
  EXPECT_GE(text.size(), 10000u);
  EXPECT_LT(text.size(), 10100u);
  EXPECT_EQ(text, bench::invented_text(10000));
}

TEST(BenchCommand, TokenizerPart) {
  const TestFolder folder("bench");
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "some words, and " + std::to_string(i) + " more\n";
  const std::string file = folder.write("a.txt", text);
  const ProgramResult result =
      run_unfold("bench cpu --quick --only tokenizer --format json --text '" + file + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  const auto row = nlohmann::json::parse(result.out)["tokenizer"]["rows"][0];
  EXPECT_GT(row["encode_mb_per_second"], 0);
  EXPECT_GT(row["bytes_per_token"], 1);
  EXPECT_LE(row["vocab_size"], 8192);
}

TEST(BenchCommand, UserErrors) {
  const TestFolder folder("bench_errors");
  const std::string empty = folder.write("empty.txt", "");
  for (const std::string& arguments :
       {std::string("bench"), std::string("bench gpu"), std::string("bench cpu --only speed"),
        "bench cpu --only tokenizer --text '" + empty + "'",
        "bench cpu --only tokenizer --text '" + empty + ".none'"}) {
    const ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_NE(result.err, "") << arguments;
  }
}

}  // namespace
}  // namespace unfold::cli
