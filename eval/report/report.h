// The report of a run: report.html, report.md and report.json from config.yaml, metrics.jsonl and
// results.json. Any of the three inputs may be missing (a run that is young, or not evaluated yet).
#pragma once

#include <filesystem>

namespace unfold::eval {

struct ReportFiles {
  std::filesystem::path html;
  std::filesystem::path markdown;
  std::filesystem::path json;
};

// Writes the report into `out`, created when missing; empty: into the run folder itself. Old
// reports are replaced. Throws core::UserError when the folder is no run, one of its files is
// damaged, or the report cannot be written.
ReportFiles build_report(const std::filesystem::path& run_folder,
                         const std::filesystem::path& out = {});

}  // namespace unfold::eval
