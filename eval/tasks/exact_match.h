// Exact match of greedy answers: what recall tasks (eval/tasks/recall.h) and held-out records
// (eval/tasks/answers.h) share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/greedy_match.h"
#include "eval/tasks/sampled_task.h"

namespace unfold::eval {

// Row exact_match: the share of samples whose answer greedy decoding gives, to its end: what
// follows must not go on with its last word or number. Interval: Wilson. n: samples. attended: by
// the tokens of the answers, which are decoded, a layer and key/value head. The answer is not
// generated but compared, in one pass (eval/greedy_match.h); so a prediction is the text of greedy
// decoding up to its first token that is another one.
class ExactMatchTask : public SampledTask {
 public:
  std::int64_t samples() const override { return samples_; }
  std::int64_t size(std::int64_t) const override { return positions_; }
  void predict(LoadedRun& run, const Method& method, std::span<const std::int64_t> samples,
               const std::function<void(Prediction)>& done) const override;
  std::vector<ResultRow> rows(std::span<const Prediction> predictions) const override;

  // Sample i, 0 <= i < samples(), with its gists in place: made when needed, so that memory does
  // not grow with their number.
  virtual AnsweredPrompt sample(const LoadedRun& run, const Method& method,
                                std::int64_t i) const = 0;

 protected:
  // eval.samples samples of about eval.context positions, until a task knows better.
  ExactMatchTask(std::string name, const EvalSettings& settings);
  void set_samples(std::int64_t samples, std::int64_t positions) {
    samples_ = samples;
    positions_ = positions;
  }

 private:
  gsa::GistConfig gist_;
  std::int64_t samples_;
  std::int64_t positions_;  // a sample has about so many
};

// Whether text that goes on with these bytes has ended the word or number before it.
bool ends_word(std::string_view following);

}  // namespace unfold::eval
