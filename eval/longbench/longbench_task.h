// A dataset of LongBench v1 or LongBench-E: "longbench.hotpotqa", "longbench_e.hotpotqa".
//
// Records and prompts are the published files: eval.longbench.records has NAME.jsonl
// (NAME_e.jsonl), eval.longbench.config has dataset2prompt.json and dataset2maxlen.json. Prompts:
// eval/longbench/longbench_prompt.h. Scores: the official metric of the dataset
// (eval/metrics/dataset_metric.h). Predictions are files that the official scorer reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/longbench/facts.h"
#include "eval/metrics/dataset_metric.h"
#include "eval/tasks/generation_task.h"

namespace unfold::eval {

inline constexpr std::string_view kLongBench = "longbench";
inline constexpr std::string_view kLongBenchE = "longbench_e";

class LongBenchTask : public GenerationTask {
 public:
  // name: "longbench.NAME" or "longbench_e.NAME". Tokenizes all records now, and keeps the tokens,
  // so that a bad record is known before anything is measured. Throws core::UserError: an unknown
  // dataset, files that are missing or no such records or templates, a limit too small.
  LongBenchTask(std::string name, const LoadedRun& run, const EvalSettings& settings);

  std::int64_t samples() const override { return static_cast<std::int64_t>(samples_.size()); }
  std::int64_t size(std::int64_t i) const override;
  std::string settings() const override;
  std::int64_t skipped() const override { return skipped_; }
  GenerationSample sample(std::int64_t i) const override {
    return samples_[static_cast<std::size_t>(i)];
  }
  std::vector<SampleScore> score(const GenerationSample& sample,
                                 const std::string& pred) const override;
  // LongBench-E: besides, a row for each range of lengths ("f1 0-4k", "f1 4-8k", "f1 8k+").
  std::vector<ResultRow> rows(std::span<const Prediction> predictions) const override;

 private:
  const LongBenchFacts* dataset_;
  bool by_length_;  // LongBench-E
  DatasetMetric metric_;
  std::vector<GenerationSample> samples_;
  std::int64_t skipped_ = 0;
  std::string settings_;
};

// The datasets of "longbench" or "longbench_e" whose records are there, as task names. Throws
// core::UserError when there is none.
std::vector<std::string> longbench_tasks(std::string_view group, const EvalSettings& settings);

}  // namespace unfold::eval
