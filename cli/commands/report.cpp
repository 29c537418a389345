// unfold report RUN: the report of a run as a page for people and a file for programs.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "eval/report/report.h"

namespace unfold::cli {
namespace {

struct Arguments {
  std::string run;
  std::string out;
};

void run_report(const Arguments& arguments) {
  const eval::ReportFiles files = eval::build_report(arguments.run, arguments.out);
  for (const auto& file : {files.html, files.markdown, files.json}) {
    print(fmt::format("{}\n", file.string()));
  }
}

}  // namespace

void add_report_command(Command app) {
  Command report = app.add_subcommand(
      "report", "Write report.html, report.md and report.json of a run, and print their paths");
  report.group(kRunGroup);
  const auto arguments = std::make_shared<Arguments>();
  report.add_option("RUN", arguments->run, "folder of the run (run.dir of its config)").required();
  report.add_option("--out", arguments->out, "folder for the report; default: the run's own")
      .type_name("DIR");
  report.callback([arguments] { run_report(*arguments); });
}

}  // namespace unfold::cli
