// Questions on documents: "rag.NAME" for the records NAME.jsonl of eval.rag.records, "rag.invented"
// for generated ones.
//
// Plain, the documents see each other through their gists; with gist.links each is computed by
// itself and its keys are reused (models/document_cache.h), as a run of that kind was trained. With
// eval.rag.gold_at every question is asked once for each index, its first gold document put there;
// records that do not tell theirs stay as they are, and are asked once. Metrics: subspan_em, em,
// f1 (eval/metrics/dataset_metric.h); tags: "gold", "documents".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/metrics/dataset_metric.h"
#include "eval/tasks/generation_task.h"

namespace unfold::eval {

inline constexpr std::string_view kRag = "rag";

class RagTask : public GenerationTask {
 public:
  // Tokenizes all records now, so that a bad one is known before anything is measured. Throws
  // core::UserError: no such records, bad ones, and as RagPrompt.
  RagTask(std::string name, const LoadedRun& run, const EvalSettings& settings);

  std::int64_t samples() const override { return static_cast<std::int64_t>(samples_.size()); }
  std::int64_t size(std::int64_t i) const override;
  std::string settings() const override { return settings_; }
  std::int64_t skipped() const override { return skipped_; }
  GenerationSample sample(std::int64_t i) const override {
    return samples_[static_cast<std::size_t>(i)];
  }
  std::vector<SampleScore> score(const GenerationSample& sample,
                                 const std::string& pred) const override;

 private:
  std::vector<DatasetMetric> metrics_;
  std::vector<GenerationSample> samples_;
  std::int64_t skipped_ = 0;
  std::string settings_;
};

// The tasks of "rag": one a file of eval.rag.records, by its name, or the generated one.
// Throws core::UserError: missing files, two of one name.
std::vector<std::string> rag_tasks(const EvalSettings& settings);

}  // namespace unfold::eval
