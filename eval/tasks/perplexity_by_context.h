// Perplexity by length of context: how much text further back helps to predict, under any method.
#pragma once

#include <string>
#include <vector>

#include "eval/prompt.h"
#include "eval/tasks/sampled_task.h"

namespace unfold::eval {

// Windows of data.val (token shards), each with eval.by_context.targets tokens at its end that are
// predicted, once behind each of the lengths of context of eval.by_context.lengths. So every length
// and method predicts the same tokens, and curves over the length compare: what falls is what the
// method draws from further back. (Buckets of position within long rows, the other usual figure,
// compare different tokens, and need rows of one method.)
//
// The context is one segment, closed by its gists under methods that have them; behind it the
// targets stay raw, as a question and its answer do, with one token in front that is given and not
// counted. All methods go through the engine, those that are a mask over rows too. Windows do not
// overlap and lie evenly over all there are, at most eval.by_context.windows.
//
// Rows, a length, named "perplexity_by_context.1024" and so on: loss (nats a target), bits_per_byte
// (of text), perplexity; interval: bootstrap over windows. n: targets. Tags of predictions:
// "context", "targets" and "bytes" (of text behind the targets).
class PerplexityByContextTask : public SampledTask {
 public:
  // Throws core::UserError: no data.val, records instead of text, shards that cannot be read or are
  // of another tokenizer, no document as long as a window.
  PerplexityByContextTask(const LoadedRun& run, const EvalSettings& settings);

  std::int64_t samples() const override;
  std::int64_t size(std::int64_t i) const override;
  std::string settings() const override;
  void predict(LoadedRun& run, const Method& method, std::span<const std::int64_t> samples,
               const std::function<void(Prediction)>& done) const override;
  std::vector<ResultRow> rows(std::span<const Prediction> predictions) const override;

 private:
  // Sample i is window i % windows behind length i / windows.
  const std::vector<data::TokenId>& window(std::int64_t i) const;
  std::int64_t length(std::int64_t i) const;

  gsa::GistConfig gist_;
  PromptBuilder prompts_;
  std::vector<std::int64_t> lengths_;
  std::int64_t targets_;
  std::vector<std::uint16_t> token_bytes_;           // (vocab_size)
  std::vector<std::vector<data::TokenId>> windows_;  // longest context, 1, targets
  std::string digest_;                               // of their tokens
};

}  // namespace unfold::eval
