// Exact match of greedy answers: what recall tasks (eval/tasks/recall.h) and held-out records
// (eval/tasks/answers.h) share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/greedy_match.h"
#include "eval/tasks/task.h"

namespace unfold::eval {

// Rows exact_match: the share of samples whose answer greedy decoding gives, to its end: what
// follows must not go on with its last word or number. Interval: Wilson. n: samples. attended: by
// the tokens of the answers, which are decoded, a layer and key/value head.
class ExactMatchTask : public Task {
 public:
  std::int64_t work() const override;
  std::vector<ResultRow> measure(LoadedRun& run, const Method& method,
                                 const std::function<void(std::int64_t)>& advance) const override;

  // Sample i, 0 <= i < samples(), with its gists in place: made when needed, so that memory does
  // not grow with their number.
  virtual AnsweredPrompt sample(const LoadedRun& run, const Method& method,
                                std::int64_t i) const = 0;
  std::int64_t samples() const { return samples_; }

 protected:
  // eval.samples samples of about eval.context positions, until a task knows better.
  ExactMatchTask(std::string name, const EvalSettings& settings);
  void set_samples(std::int64_t samples, std::int64_t positions) {
    samples_ = samples;
    positions_ = positions;
  }

 private:
  std::string name_;
  gsa::GistConfig gist_;
  std::int64_t samples_;
  std::int64_t positions_;  // a sample has about so many: for the progress bar
};

// Whether text that goes on with these bytes has ended the word or number before it.
bool ends_word(std::string_view following);

}  // namespace unfold::eval
