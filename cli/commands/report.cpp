// unfold report RUN...: the report of runs as a page for people and files for programs.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "eval/report/report.h"

namespace unfold::cli {
namespace {

struct Arguments {
  std::vector<std::string> runs;
  std::string out;
};

void run_report(const Arguments& arguments) {
  const eval::ReportFiles files =
      eval::build_report({arguments.runs.begin(), arguments.runs.end()}, arguments.out);
  for (const auto& file : {files.html, files.markdown, files.csv, files.json}) {
    print(fmt::format("{}\n", file.string()));
  }
}

}  // namespace

void add_report_command(Command app) {
  Command report = app.add_subcommand(
      "report",
      "Write report.html, report.md, report.csv and report.json of a run, or of several side by "
      "side, and print their paths");
  report.group(kRunGroup);
  const auto arguments = std::make_shared<Arguments>();
  report
      .add_option("RUN", arguments->runs,
                  "folder of a run (run.dir of its config); several: side by side")
      .required();
  report
      .add_option("--out", arguments->out,
                  "folder for the report; default: the run's own, of one run")
      .type_name("DIR");
  report.callback([arguments] { run_report(*arguments); });
}

}  // namespace unfold::cli
