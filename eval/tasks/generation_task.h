// Tasks whose samples are answered by greedy generation, and scored by the text.
//
// A task of this kind says what its samples are and how an answer is scored; everything else, from
// gists to batches, predictions and results, is here. To add one:
//
//     class MyTask : public GenerationTask {
//      public:
//       MyTask(const LoadedRun& run, const EvalSettings& settings)
//           : GenerationTask("my_task", run, settings) {}
//       std::int64_t samples() const override;
//       std::int64_t size(std::int64_t i) const override;
//       std::string settings() const override;
//       GenerationSample sample(std::int64_t i) const override;
//       std::vector<SampleScore> score(const GenerationSample&, const std::string& pred) const
//           override;
//     };
//
// and a line in the table of eval/tasks/task.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "eval/prompt.h"
#include "eval/tasks/sampled_task.h"

namespace unfold::eval {

// What ends an answer. The end-of-text token always does.
struct StopRule {
  std::vector<data::TokenId> tokens;  // as that of a chat's turn; never part of the answer
  std::vector<std::string> strings;   // the answer ends before the first of them
  std::int64_t min_new_tokens = 0;    // before so many tokens, no token ends the answer: the
                                      // likeliest other one is taken
};

struct GenerationSample {
  std::string id;
  std::vector<data::TokenId> system;                 // a segment in front of the context, or empty
  std::vector<std::vector<data::TokenId>> segments;  // of the context: each has gists of its own
  std::vector<data::TokenId> suffix;                 // raw: question, cue, tail of a chat template
  std::int64_t max_new_tokens = 32;
  StopRule stop;
  std::string question;                                 // for the report
  std::vector<std::string> answers;                     // any of them is right
  std::optional<std::vector<std::string>> all_classes;  // of a classification
  std::int64_t length = 0;                              // as Prediction::length
  std::map<std::string, double> tags;                   // "depth", "context", "gold", ...
};

class GenerationTask : public SampledTask {
 public:
  // Sample i, 0 <= i < samples(): made when needed, so that memory does not grow with their number.
  virtual GenerationSample sample(std::int64_t i) const = 0;
  // Main metric first; the same metrics for every sample.
  virtual std::vector<SampleScore> score(const GenerationSample& sample,
                                         const std::string& pred) const = 0;

  void predict(LoadedRun& run, const Method& method, std::span<const std::int64_t> samples,
               const std::function<void(Prediction)>& done) const override;

 protected:
  GenerationTask(std::string name, const LoadedRun& run, const EvalSettings& settings);
  const data::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  std::shared_ptr<const data::Tokenizer> tokenizer_;
  gsa::GistConfig gist_;
  PromptBuilder prompts_;
  std::int64_t traces_;  // samples whose unfolding is kept
};

}  // namespace unfold::eval
