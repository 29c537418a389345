#include "eval/report/report.h"

#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "eval/report/csv_page.h"
#include "eval/report/html_page.h"
#include "eval/report/json_page.h"
#include "eval/report/main_table.h"
#include "eval/report/markdown_page.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

ReportFiles build_report(const std::vector<std::filesystem::path>& run_folders,
                         const std::filesystem::path& out) {
  core::require(!run_folders.empty(), "report", "no run: name the folder of one or more");
  core::require(run_folders.size() == 1 || !out.empty(), "report",
                "{} runs: name the folder for their report (--out DIR)", run_folders.size());
  std::vector<RunRecord> runs;
  for (const std::filesystem::path& folder : run_folders) runs.push_back(read_run(folder));
  const RunComparison comparison = compare_runs(std::move(runs));
  const std::vector<RatioPanel> panels = build_panels(comparison);

  const std::filesystem::path folder = out.empty() ? run_folders[0] : out;
  core::create_folder(folder);
  const ReportFiles files = {folder / "report.html", folder / "report.md", folder / "report.csv",
                             folder / "report.json"};
  core::write_file_atomically(files.html, html_page(comparison, panels));
  core::write_file_atomically(files.markdown, markdown_page(comparison, panels));
  core::write_file_atomically(files.csv, csv_page(comparison, panels));
  core::write_file_atomically(files.json, json_page(comparison, panels));
  return files;
}

}  // namespace unfold::eval
