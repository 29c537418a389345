// Recall from context on generated samples (data/synthetic.h): recall, passkey, multikey.
#pragma once

#include "data/synthetic.h"
#include "eval/prompt.h"
#include "eval/tasks/exact_match.h"

namespace unfold::eval {

// Samples are those of the eval split.
class RecallTask : public ExactMatchTask {
 public:
  RecallTask(const LoadedRun& run, const EvalSettings& settings, data::SyntheticTask task);

  std::string settings() const override;
  AnsweredPrompt sample(const LoadedRun& run, const Method& method, std::int64_t i) const override;

 private:
  data::SyntheticOptions options_;
  PromptBuilder prompts_;
};

}  // namespace unfold::eval
