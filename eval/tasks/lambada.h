// LAMBADA (Paperno et al. 2016): the last word of a passage, which needs all of it.
#pragma once

#include <string>
#include <vector>

#include "eval/prompt.h"
#include "eval/tasks/sampled_task.h"

namespace unfold::eval {

// Records {"text": ...} of a JSONL file (eval.lambada), with eval.limit the first ones. The last
// word is what stands behind the last space; white space at the ends of the text does not count.
//
// Under full attention this is lambada_openai of lm-evaluation-harness: the context is the text up
// to the word, the target " " + last word. The tokens are those of the whole text; as many as
// the context has alone are context, the rest is target. No special token is put in front (as there
// with tokenizers that add none by themselves: SmolLM2, Qwen2, GPT-NeoX). accuracy: every token of
// the target is the likeliest one. perplexity: exp of the mean loss of a word (not of a token).
//
// Under methods with gists the context but its last token is one segment, closed by its gists; that
// last token stays raw in front of the target: queries behind the gists are what unfolds, and in
// training words are predicted from raw tokens.
//
// Rows: accuracy (interval: Wilson) and perplexity (bootstrap over records). n: records. attended:
// by the tokens of the last words.
class LambadaTask : public SampledTask {
 public:
  // Throws core::UserError: no eval.lambada, a file that cannot be read or holds no record; with
  // file and line, a record without text or with fewer than two words (eval.on_bad_record: skip
  // leaves it out).
  LambadaTask(const LoadedRun& run, const EvalSettings& settings);

  std::int64_t samples() const override { return static_cast<std::int64_t>(records_.size()); }
  std::int64_t size(std::int64_t i) const override;
  std::string settings() const override;
  std::int64_t skipped() const override { return skipped_; }
  void predict(LoadedRun& run, const Method& method, std::span<const std::int64_t> samples,
               const std::function<void(Prediction)>& done) const override;
  std::vector<ResultRow> rows(std::span<const Prediction> predictions) const override;

 private:
  struct Record {
    std::string id;    // "lambada.jsonl:12"
    std::string text;  // the context
    std::string word;
    std::vector<data::TokenId> context;
    std::vector<data::TokenId> target;
  };
  gsa::GistConfig gist_;
  PromptBuilder prompts_;
  std::string digest_;  // of the texts
  std::vector<Record> records_;
  std::int64_t skipped_ = 0;
};

}  // namespace unfold::eval
