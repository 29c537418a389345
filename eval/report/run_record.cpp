#include "eval/report/run_record.h"

#include "core/error.h"
#include "core/file.h"
#include "eval/report/predicted_rows.h"

namespace unfold::eval {
namespace fs = std::filesystem;
namespace {

std::string name_of(const fs::path& whole) {
  const std::string name = whole.filename().string();
  return name.empty() ? "run" : name;
}

}  // namespace

RunRecord read_run(const fs::path& folder) {
  const core::PathKind kind = core::path_kind(folder);
  core::require(kind != core::PathKind::missing, "report",
                "{}: no such run folder: check the path, or train first (unfold train)",
                folder.string());
  core::require(kind == core::PathKind::folder, "report",
                "{}: is a file, expected the folder of a run", folder.string());
  const fs::path config = folder / "config.yaml";
  const fs::path metrics = folder / "metrics.jsonl";
  const fs::path results = folder / "results.json";
  const auto is_there = [](const fs::path& path) {
    return core::path_kind(path) != core::PathKind::missing;
  };
  core::require(is_there(config) || is_there(metrics) || is_there(results) ||
                    is_there(folder / "predictions"),
                "report",
                "{}: not a run: it has no config.yaml, metrics.jsonl, results.json or predictions: "
                "name the folder given as run.dir",
                folder.string());

  RunRecord record;
  std::error_code ignored;
  record.path = fs::weakly_canonical(folder, ignored);
  record.name = name_of(record.path);
  if (is_there(config)) record.config_yaml = core::read_text_file(config);
  record.history = read_metrics(metrics);
  if (is_there(results)) record.results = read_results(results);
  if (record.config_yaml.empty() && record.results) {
    record.config_yaml = record.results->config_yaml;
  }
  record.facts = read_config_facts(record.config_yaml, config.string());
  record.predictions = read_run_predictions(folder);
  if (!record.results && !record.predictions.files.empty()) record.results.emplace();
  if (record.results) {
    record.rows_predicted = complete_rows(record.predictions, record.results->rows);
  }
  return record;
}

}  // namespace unfold::eval
