#include "eval/report/run_record.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"

namespace unfold::eval {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> methods_of(const RunRecord& record) {
  std::vector<std::string> seen;
  for (const ValidationCurve& curve : record.history.validations) seen.push_back(curve.visibility);
  if (record.results) {
    for (const ResultRow& row : record.results->rows) seen.push_back(row.method);
  }
  std::vector<std::string> ordered = {"gist_only", "full"};
  for (const std::string& method : seen) {
    if (std::find(ordered.begin(), ordered.end(), method) == ordered.end()) {
      ordered.push_back(method);
    }
  }
  return ordered;
}

std::string name_of(const fs::path& folder) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(folder, ignored);
  const std::string name = whole.filename().string();
  return name.empty() ? "run" : name;
}

}  // namespace

int RunRecord::color_of(const std::string& method) const {
  const auto found = std::find(methods.begin(), methods.end(), method);
  return found == methods.end() ? -1 : static_cast<int>(found - methods.begin());
}

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
  core::require(
      fs::exists(config, ignored) || fs::exists(metrics, ignored) || fs::exists(results, ignored),
      "report",
      "{}: not a run: it has no config.yaml, metrics.jsonl or results.json: name the "
      "folder given as run.dir",
      folder.string());

  RunRecord record;
  record.name = name_of(folder);
  if (fs::exists(config, ignored)) record.config_yaml = core::read_text_file(config);
  record.history = read_metrics(metrics);
  if (fs::exists(results, ignored)) record.results = read_results(results);
  if (record.config_yaml.empty() && record.results) {
    record.config_yaml = record.results->config_yaml;
  }
  record.facts = read_config_facts(record.config_yaml, config.string());
  record.methods = methods_of(record);
  return record;
}

}  // namespace unfold::eval
