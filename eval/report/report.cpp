#include "eval/report/report.h"

#include "core/file.h"
#include "eval/report/html_page.h"
#include "eval/report/json_page.h"
#include "eval/report/markdown_page.h"
#include "eval/report/run_record.h"

namespace unfold::eval {

ReportFiles build_report(const std::filesystem::path& run_folder,
                         const std::filesystem::path& out) {
  const RunRecord record = read_run(run_folder);
  const std::filesystem::path folder = out.empty() ? run_folder : out;
  core::create_folder(folder);
  const ReportFiles files = {folder / "report.html", folder / "report.md", folder / "report.json"};
  core::write_file_atomically(files.html, html_page(record));
  core::write_file_atomically(files.markdown, markdown_page(record));
  core::write_file_atomically(files.json, json_page(record));
  return files;
}

}  // namespace unfold::eval
