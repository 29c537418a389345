// Everything a report is made from: the files of a run folder, read once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "eval/report/config_facts.h"
#include "eval/report/metrics_history.h"
#include "eval/report/predictions.h"
#include "eval/results.h"

namespace unfold::eval {

struct RunRecord {
  std::string name;            // of the folder; of several runs, made unique
  std::filesystem::path path;  // whole, as far as it can be told
  std::string config_yaml;     // empty: the run has no config.yaml
  ConfigFacts facts;
  MetricsHistory history;
  Predictions predictions;
  std::optional<Results> results;  // none: not evaluated yet
  std::size_t rows_predicted = 0;  // rows of `results` that come from predictions alone
};

// Reads config.yaml, metrics.jsonl, results.json and predictions, each of which may be missing, but
// not all; rows that results.json lacks are made from predictions. Throws core::UserError for a
// folder that is no run, and for a damaged file (of predictions: predictions.h).
RunRecord read_run(const std::filesystem::path& run_folder);

}  // namespace unfold::eval
