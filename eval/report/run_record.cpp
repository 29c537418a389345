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
  std::error_code ignored;
  core::require(fs::exists(folder, ignored), "report",
                "{}: no such run folder: check the path, or train first (unfold train)",
                folder.string());
  core::require(fs::is_directory(folder, ignored), "report",
                "{}: is a file, expected the folder of a run", folder.string());
  const fs::path config = folder / "config.yaml";
  const fs::path metrics = folder / "metrics.jsonl";
  const fs::path results = folder / "results.json";
  core::require(fs::exists(config, ignored) || fs::exists(metrics, ignored) ||
                    fs::exists(results, ignored) ||
                    fs::is_directory(folder / "predictions", ignored),
                "report",
                "{}: not a run: it has no config.yaml, metrics.jsonl, results.json or predictions: "
                "name the folder given as run.dir",
                folder.string());

  RunRecord record;
  record.path = fs::weakly_canonical(folder, ignored);
  record.name = name_of(record.path);
  if (fs::exists(config, ignored)) record.config_yaml = core::read_text_file(config);
  record.history = read_metrics(metrics);
  if (fs::exists(results, ignored)) record.results = read_results(results);
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
