// Grouping of result rows, how values are written, and the table for the terminal.
#include "eval/report/result_table.h"

#include <gtest/gtest.h>

#include <limits>

#include "eval/report/metric_style.h"
#include "eval/report/terminal_table.h"
#include "tests/eval/run_files.h"

namespace unfold::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(MetricStyle, ValuesAndIntervals) {
  EXPECT_EQ(format_metric("accuracy", 0.9653), "96.5%");
  EXPECT_EQ(format_metric("f1", 1), "100.0%");
  EXPECT_EQ(format_metric("f1", 46.74), "46.74") << "no fraction";
  EXPECT_EQ(format_metric("bits_per_byte", 0.87), "0.870");
  EXPECT_EQ(format_metric("perplexity", 12.345), "12.35");
  EXPECT_EQ(format_metric("accuracy", kNaN), "-");
  EXPECT_EQ(format_interval("bits_per_byte", 1.9, 2.0), "[1.900, 2.000]");
  EXPECT_EQ(format_interval("accuracy", 0.9, 1), "[90.0%, 100.0%]");
  EXPECT_EQ(format_interval("accuracy", kNaN, 1), "");
}

TEST(MetricStyle, Numbers) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(2.4071), "2.407");
  EXPECT_EQ(format_number(-345.67), "-345.7");
  EXPECT_EQ(format_number(1e-4), "1.0e-4");
  EXPECT_EQ(format_number(18'234), "18.2k");
  EXPECT_EQ(format_number(kNaN), "-");
  EXPECT_EQ(format_keys(87.2), "87.2");
  EXPECT_EQ(format_keys(4096), "4096");
  EXPECT_EQ(format_keys(0), "-");
  EXPECT_EQ(format_ratio(8), "8x");
  EXPECT_EQ(format_ratio(12.5), "12.5x");
}

TEST(ResultTable, GroupsByTaskAndMetricAndMarksTheBest) {
  const auto blocks = group_results({result_row("val", "full", "bits_per_byte", 1.5),
                                     result_row("passkey", "full", "accuracy", 0.8),
                                     result_row("val", "gist_only", "bits_per_byte", 1.6),
                                     result_row("passkey", "gist_only", "accuracy", 0.9),
                                     result_row("val", "full", "perplexity", 9)});
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].task, "val");
  ASSERT_EQ(blocks[0].entries.size(), 2u);
  EXPECT_TRUE(blocks[0].entries[0].best) << "fewer bits are better";
  EXPECT_FALSE(blocks[0].entries[1].best);
  EXPECT_FALSE(blocks[1].entries[0].best);
  EXPECT_TRUE(blocks[1].entries[1].best) << "more accuracy is better";
  EXPECT_FALSE(blocks[2].entries[0].best) << "nothing to compare with";
}

TEST(ResultTable, TiesAreAllBestAndNanNever) {
  const auto blocks =
      group_results({result_row("a", "x", "accuracy", 0.5), result_row("a", "y", "accuracy", 0.5),
                     result_row("a", "z", "accuracy", kNaN), result_row("b", "x", "accuracy", kNaN),
                     result_row("b", "y", "accuracy", kNaN)});
  EXPECT_TRUE(blocks[0].entries[0].best);
  EXPECT_TRUE(blocks[0].entries[1].best);
  EXPECT_FALSE(blocks[0].entries[2].best);
  EXPECT_FALSE(blocks[1].entries[0].best);
}

TEST(TerminalTable, IsAlignedWithIntervalsAndConditions) {
  Results results;
  results.rows = {result_row("val", "full", "bits_per_byte", 1.6),
                  result_row("val", "gist_only", "bits_per_byte", 1.44),
                  result_row("passkey", "gist_only", "accuracy", 0.8)};
  EXPECT_EQ(results_table(results),
            "task               full                  gist_only\n"
            "                   1x, 400.0 keys        8x, 80.0 keys\n"
            "-----------------  --------------------  ---------------------\n"
            "val bits per byte  1.600 [1.440, 1.700]  1.440 [1.296, 1.530]*\n"
            "passkey accuracy                         80.0% [72.0%, 85.0%]\n"
            "[]: 95% interval; *: best of its line; keys: read by a query, on average\n");
}

TEST(TerminalTable, NoResultsAndHostileNames) {
  EXPECT_EQ(results_table(Results()), "no results\n");
  Results results;
  results.rows = {result_row("\x1b[31mred\n", "g\xc3\xbcte", "accuracy", 0.5)};
  const std::string table = results_table(results);
  EXPECT_EQ(table.find('\x1b'), std::string::npos) << "escape sequences do not reach the terminal";
  EXPECT_NE(table.find("?[31mred? accuracy"), std::string::npos) << table;
  EXPECT_NE(table.find("g\xc3\xbcte"), std::string::npos);
}

TEST(TerminalTable, SameMethodAtTwoRatiosGivesTwoColumns) {
  Results results;
  results.rows = {result_row("a", "gist_only", "accuracy", 0.5),
                  result_row("a", "gist_only", "accuracy", 0.25)};
  results.rows[1].ratio = 32;
  const std::string table = results_table(results);
  EXPECT_NE(table.find("8x, 80.0 keys"), std::string::npos);
  EXPECT_NE(table.find("32x, 80.0 keys"), std::string::npos);
  EXPECT_NE(table.find("50.0% [45.0%, 53.1%]*  25.0% [22.5%, 26.6%]"), std::string::npos) << table;
}

}  // namespace
}  // namespace unfold::eval
