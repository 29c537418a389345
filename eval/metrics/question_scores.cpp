#include "eval/metrics/question_scores.h"

#include <string_view>
#include <unordered_map>

namespace unfold::eval {

QuestionScores question_scores(std::span<const Prediction> predictions, std::size_t metric) {
  QuestionScores scores;
  std::unordered_map<std::string_view, std::size_t> question_of;
  for (const Prediction& prediction : predictions) {
    std::size_t question = scores.sums.size();
    if (!prediction.id.empty()) {
      question = question_of.try_emplace(prediction.id, question).first->second;
    }
    if (question == scores.sums.size()) {
      scores.sums.push_back(0);
      scores.samples.push_back(0);
    }
    scores.sums[question] +=
        metric < prediction.scores.size() ? prediction.scores[metric].value : 0;
    scores.samples[question] += 1;
  }
  return scores;
}

}  // namespace unfold::eval
