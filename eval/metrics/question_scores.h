// Scores of a metric by question. Samples with one id ask one question in several ways (as
// eval.rag.gold_at does) and are not independent of each other: intervals draw them together.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "eval/predictions/prediction.h"

namespace unfold::eval {

// By question, in the order of their first samples.
struct QuestionScores {
  std::vector<double> sums;
  std::vector<double> samples;  // how many: the mean score is sum(sums) / sum(samples)
};

// metric: index into Prediction::scores; a prediction without it scores 0. One without an id is a
// question by itself.
QuestionScores question_scores(std::span<const Prediction> predictions, std::size_t metric);

}  // namespace unfold::eval
