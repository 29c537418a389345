#include "eval/metrics/question_scores.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"
#include "eval/group_rows.h"
#include "eval/metrics/interval.h"

namespace unfold::eval {
namespace {

Prediction scored(std::string id, double score) {
  Prediction prediction;
  prediction.id = std::move(id);
  prediction.scores = {{"em", 1 - score}, {"f1", score}};
  return prediction;
}

TEST(QuestionScores, SamplesOfOneIdAreOneQuestion) {
  const std::vector<Prediction> predictions = {scored("b", 0.5), scored("a", 1), scored("b", 0.25),
                                               scored("", 1), scored("", 0)};
  const QuestionScores scores = question_scores(predictions, 1);
  EXPECT_EQ(scores.sums, (std::vector<double>{0.75, 1, 1, 0}));
  EXPECT_EQ(scores.samples, (std::vector<double>{2, 1, 1, 1}));
  EXPECT_EQ(question_scores(predictions, 7).sums, (std::vector<double>{0, 0, 0, 0}));
  EXPECT_TRUE(question_scores({}, 0).sums.empty());
}

// Asking a question again in ways that end alike tells nothing new: intervals stay as they are.
TEST(QuestionScores, RepetitionsDoNotNarrowIntervals) {
  core::Random random(4);
  std::vector<Prediction> once;
  std::vector<Prediction> thrice;
  for (int i = 0; i < 60; ++i) {
    const Prediction one = scored(std::to_string(i), random.below(2));
    once.push_back(one);
    thrice.insert(thrice.end(), 3, one);
  }
  const auto interval_of = [](const std::vector<Prediction>& predictions) {
    const QuestionScores scores = question_scores(predictions, 1);
    return bootstrap_ratio_interval(scores.sums, scores.samples, 1);
  };
  EXPECT_DOUBLE_EQ(interval_of(thrice).low, interval_of(once).low);
  EXPECT_DOUBLE_EQ(interval_of(thrice).high, interval_of(once).high);
  const auto group_of = [](const std::vector<Prediction>& predictions) {
    GroupRows groups(1);
    for (const char* task : {"rag.a", "rag.b"}) {
      ResultRow row;
      row.task = task;
      groups.add(row, predictions);
    }
    return groups.rows().at(0);
  };
  EXPECT_DOUBLE_EQ(group_of(thrice).low, group_of(once).low);
  EXPECT_DOUBLE_EQ(group_of(thrice).high, group_of(once).high);
  EXPECT_LT(group_of(once).low, group_of(once).high);
}

}  // namespace
}  // namespace unfold::eval
