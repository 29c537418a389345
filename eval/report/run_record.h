// Everything a report is made from: the files of a run folder, read once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/report/config_facts.h"
#include "eval/report/metrics_history.h"
#include "eval/results.h"

namespace unfold::eval {

struct RunRecord {
  std::string name;         // of the folder
  std::string config_yaml;  // empty: the run has no config.yaml
  ConfigFacts facts;
  MetricsHistory history;
  std::optional<Results> results;  // none: not evaluated yet

  // Method names, each once; their index is their colour. "gist_only" and "full" come first, used
  // or not, so that they look the same in every report.
  std::vector<std::string> methods;
  int color_of(const std::string& method) const;
};

// Reads config.yaml, metrics.jsonl and results.json, each of which may be missing, but not all.
// Throws core::UserError for a folder that is no run, and for a damaged file.
RunRecord read_run(const std::filesystem::path& run_folder);

}  // namespace unfold::eval
