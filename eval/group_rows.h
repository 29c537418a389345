// Rows for a group of tasks, such as all of LongBench: the mean over its data sets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/metrics/question_scores.h"
#include "eval/predictions/prediction.h"
#include "eval/results.h"

namespace unfold::eval {

class GroupRows {
 public:
  explicit GroupRows(std::uint64_t seed) : seed_(seed) {}

  // main: the first row of a task, filled. A task named GROUP.MEMBER counts for GROUP; others are
  // passed over.
  void add(const ResultRow& main, std::span<const Prediction> predictions);
  // A row "score" for each group, method and ratio with two tasks or more, in the order they were
  // added: the mean of the tasks' main metrics, with a bootstrap interval in which the questions of
  // every task are drawn for themselves (eval/metrics/question_scores.h).
  std::vector<ResultRow> rows() const;

 private:
  struct Group {
    std::string task, method;
    double ratio = 1;
    std::vector<ResultRow> rows;
    std::vector<QuestionScores> scores;  // of each task
    double seconds = 0;
  };
  Group& group(const std::string& name, const ResultRow& main);

  std::uint64_t seed_;
  std::vector<Group> groups_;
};

}  // namespace unfold::eval
