// Perplexity: how well the model predicts held-out text, the rows of data.val
// (of records, data.format sft: their answers).
#pragma once

#include <string>
#include <vector>

#include "data/batch.h"
#include "eval/tasks/task.h"

namespace unfold::eval {

// Rows "val": loss (nats a target), bits_per_byte (of text, so that tokenizers compare),
// perplexity. Every method predicts the same targets: for full attention the gists are taken out of
// the rows. Methods that are no mask over rows (all but full and gist_only) have no such rows: they
// differ from these only in what follows a context, which rows of text do not mark. Interval:
// bootstrap over rows. n: targets. attended: over all queries, gists included.
class PerplexityTask : public Task {
 public:
  // Reads the first eval.rows rows. Throws core::UserError: no data.val, shards that cannot be read
  // or are of another tokenizer, rows without anything to predict.
  PerplexityTask(const LoadedRun& run, const EvalSettings& settings);

  std::int64_t work() const override;
  std::string settings() const override { return settings_; }
  bool measures(const Method& method) const override;
  std::vector<ResultRow> measure(LoadedRun& run, const Method& method,
                                 const std::function<void(std::int64_t)>& advance) const override;

 private:
  gsa::GistConfig gist_;
  std::uint64_t seed_;
  std::vector<data::Batch> batches_;
  std::string settings_;
  std::vector<std::uint16_t> token_bytes_;  // (vocab_size) bytes of text a token stands for
};

}  // namespace unfold::eval
