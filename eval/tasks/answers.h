// Answers to held-out records: data.val of data.format sft (data/records/record.h).
#pragma once

#include "data/records/record.h"
#include "eval/prompt.h"
#include "eval/tasks/exact_match.h"

namespace unfold::eval {

// A sample is a record with the first of its questions; the first eval.samples records count. Every
// segment of the context is closed by gists of its own, or with gist.links is a document with links
// behind it, as in training; a record may be longer than a training row.
class AnswersTask : public ExactMatchTask {
 public:
  // Throws core::UserError: data.val holds no records (another data.format, none named), or a bad
  // one.
  AnswersTask(const LoadedRun& run, const EvalSettings& settings);

  std::int64_t size(std::int64_t i) const override { return sizes_[static_cast<std::size_t>(i)]; }
  std::string settings() const override { return settings_; }
  AnsweredPrompt sample(const LoadedRun& run, const Method& method, std::int64_t i) const override;

 private:
  std::vector<data::Record> records_;  // each with one question
  std::vector<std::int64_t> sizes_;    // tokens
  std::string settings_;
  PromptBuilder prompts_;
};

}  // namespace unfold::eval
