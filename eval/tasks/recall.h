// Recall from context on generated samples (data/synthetic.h): recall, passkey, multikey.
#pragma once

#include <string_view>

#include "data/synthetic.h"
#include "eval/greedy_match.h"
#include "eval/prompt.h"
#include "eval/tasks/task.h"

namespace unfold::eval {

// Rows exact_match: the share of samples whose answer greedy decoding gives, to its end: what
// follows must not go on with its last word or number. Samples are those of the eval split.
// Interval: Wilson. n: samples. attended: by the tokens of the
// answers, which are decoded, a layer and key/value head.
class RecallTask : public Task {
 public:
  RecallTask(const LoadedRun& run, const EvalSettings& settings, data::SyntheticTask task);

  std::int64_t work() const override;
  std::vector<ResultRow> measure(LoadedRun& run, const Method& method,
                                 const std::function<void(std::int64_t)>& advance) const override;

  // Sample i, 0 <= i < eval.samples, with its gists in place: made when needed, so that memory does
  // not grow with their number.
  AnsweredPrompt sample(const LoadedRun& run, const Method& method, std::int64_t i) const;

 private:
  gsa::GistConfig gist_;
  std::int64_t samples_;
  data::SyntheticOptions options_;
  PromptBuilder prompts_;
};

// Whether text that goes on with these bytes has ended the word or number before it.
bool ends_word(std::string_view following);

}  // namespace unfold::eval
