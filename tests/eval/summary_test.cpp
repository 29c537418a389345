#include "eval/report/summary.h"

#include <gtest/gtest.h>

#include <tuple>

namespace unfold::eval {
namespace {

RunRecord record_of(std::initializer_list<std::pair<const char*, double>> bits,
                    std::initializer_list<std::pair<const char*, double>> keys) {
  RunRecord record;
  for (const auto& [visibility, value] : bits) {
    ValidationCurve curve;
    curve.visibility = visibility;
    curve.step = {1};
    curve.loss = {value};
    curve.bits_per_byte = {value};
    record.history.validations.push_back(curve);
  }
  Results results;
  results.step = 7;
  for (const auto& [method, value] : keys) {
    ResultRow row;
    row.method = method;
    row.attended = value;
    results.rows.push_back(row);
  }
  record.results = results;
  return record;
}

bool says(const RunRecord& record, const std::string& part) {
  return summary_text(record).find(part) != std::string::npos;
}

TEST(Summary, GistAttentionBesideFull) {
  const RunRecord record =
      record_of({{"full", 2.0}, {"gist_only", 2.1}}, {{"full", 100.0}, {"gist_only", 20.0}});
  EXPECT_TRUE(says(record,
                   "needs 2.000 bits per byte with full attention and 2.100 with gist "
                   "attention, 5.0% more."))
      << summary_text(record);
  EXPECT_TRUE(says(record,
                   "a query reads 20.0 keys with gist attention and 100.0 with full "
                   "attention, 5.0 times fewer."))
      << summary_text(record);
}

TEST(Summary, ARunThatUnfoldsSpeaksOfUnfolding) {
  const RunRecord record = record_of({{"full", 0.1}, {"gist_only", 2.1}, {"h_gsa", 0.09}},
                                     {{"full", 100.0}, {"gist_only", 20.0}, {"gsa", 25.0}});
  EXPECT_TRUE(says(record,
                   "with full attention, 2.100 with gists alone and 0.090 with unfolding, "
                   "10.0% less."))
      << summary_text(record);
  EXPECT_TRUE(says(record, "reads 25.0 keys with unfolding and 100.0 with full attention, 4.0"))
      << summary_text(record);
  const std::vector<KeyFigure> figures = key_figures(record);
  ASSERT_GE(figures.size(), 2u);
  EXPECT_EQ(figures[0].label, "Bits per byte, unfolding");
  EXPECT_EQ(figures[1].label, "Keys per query, unfolding");
  EXPECT_EQ(figures[1].value, "25.0");
}

TEST(Summary, NoPercentageWhereItSaysLittle) {
  const RunRecord record = record_of({{"full", 0.001}, {"gist_only", 2.1}}, {});
  EXPECT_FALSE(says(record, "%")) << summary_text(record);
  EXPECT_TRUE(says(record, "2.100 with gist attention.")) << summary_text(record);
}

TEST(Summary, ScoresOfFamiliesAtTheLowestRatio) {
  RunRecord run;
  run.name = "a";
  run.results.emplace();
  for (const auto& [method, ratio, value] : {std::tuple{"full", 1.0, 0.5},
                                             {"gsa", 8.0, 0.4},
                                             {"gsa", 16.0, 0.3},
                                             {"h_gsa", 8.0, 0.45}}) {
    ResultRow row;
    row.task = "rag.nq";
    row.method = method;
    row.ratio = ratio;
    row.metric = "subspan_em";
    row.value = value;
    run.results->rows.push_back(row);
  }
  const auto figures = score_figures(compare_runs({run}), 0);
  ASSERT_EQ(figures.size(), 1u);
  EXPECT_EQ(figures[0].label, "rag.nq, gsa 8x");
  EXPECT_EQ(figures[0].value, "40.0%");
  EXPECT_EQ(figures[0].detail, "full attention 50.0%");
}

TEST(Summary, ScoresOfAPartOfTheTasksSaySo) {
  RunRecord run;
  run.results.emplace();
  for (const auto& [task, method, ratio] : {std::tuple{"rag.x", "full", 1.0},
                                            {"rag.y", "full", 1.0},
                                            {"rag.z", "full", 1.0},
                                            {"rag.x", "gsa", 8.0},
                                            {"rag.y", "gsa", 8.0}}) {
    ResultRow row;
    row.task = task;
    row.method = method;
    row.ratio = ratio;
    row.metric = "subspan_em";
    row.value = 0.5;
    run.results->rows.push_back(row);
  }
  const auto figures = score_figures(compare_runs({run}), 0);
  ASSERT_EQ(figures.size(), 1u);
  EXPECT_EQ(figures[0].detail, "full attention 50.0%; 2 of 3 tasks");
}

TEST(Summary, KeysAreThoseOfTheLowestRatio) {
  RunRecord run = record_of({}, {{"full", 400.0}, {"gsa", 50.0}, {"gsa", 25.0}});
  run.results->rows[1].ratio = 8;
  run.results->rows[2].ratio = 16;
  EXPECT_TRUE(says(run, "reads 50.0 keys with unfolding and 400.0 with full attention"));
}

}  // namespace
}  // namespace unfold::eval
