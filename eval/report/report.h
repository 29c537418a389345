// The report of one run, or of several side by side: report.html, report.md, report.csv and
// report.json from config.yaml, metrics.jsonl, results.json and predictions. Any of these may be
// missing (a run that is young, or not evaluated yet).
#pragma once

#include <filesystem>
#include <vector>

namespace unfold::eval {

struct ReportFiles {
  std::filesystem::path html;
  std::filesystem::path markdown;
  std::filesystem::path csv;
  std::filesystem::path json;
};

// Writes the report into `out`, created when missing; empty: into the run folder itself, of one
// run. Old reports are replaced. Throws core::UserError when a folder is no run, one of its files
// is damaged, `out` is missing for several runs, or the report cannot be written.
ReportFiles build_report(const std::vector<std::filesystem::path>& run_folders,
                         const std::filesystem::path& out = {});

}  // namespace unfold::eval
