// unfold report, run as a user runs it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "core/file.h"
#include "tests/support/temp_folder.h"

namespace unfold::cli {
namespace {

struct Outcome {
  int code = -1;
  std::string output;  // standard output and standard error
};

Outcome run_report(const std::string& arguments) {
  const std::string command = std::string(UNFOLD_PROGRAM) + " report " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  Outcome outcome;
  if (!pipe) return outcome;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) {
    outcome.output.append(buffer, got);
  }
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

TEST(ReportCommand, PrintsThePathsItWrote) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "metrics.jsonl",
                              "{\"step\":1,\"loss\":2.5,\"tokens\":10}\n");
  const std::string run = folder.path().string();
  Outcome outcome = run_report(run);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.output, run + "/report.html\n" + run + "/report.md\n" + run + "/report.csv\n" +
                                run + "/report.json\n");
  EXPECT_NE(core::read_text_file(folder / "report.html").find("2.500"), std::string::npos);

  outcome = run_report(run + " --out " + run + "/elsewhere");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_TRUE(std::filesystem::exists(folder / "elsewhere/report.md"));
}

TEST(ReportCommand, SeveralRunsNeedAFolder) {
  const test::TempFolder folder;
  for (const char* run : {"a", "b"}) {
    std::filesystem::create_directories(folder / run);
    core::write_file_atomically(folder / (std::string(run) + "/metrics.jsonl"),
                                "{\"step\":1,\"loss\":2.5,\"tokens\":10}\n");
  }
  const std::string runs = (folder / "a").string() + " " + (folder / "b").string();
  Outcome outcome = run_report(runs);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.output.find("--out DIR"), std::string::npos) << outcome.output;
  outcome = run_report(runs + " --out " + (folder / "both").string());
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_NE(core::read_text_file(folder / "both/report.html").find("a and b"), std::string::npos);
}

TEST(ReportCommand, NoRunIsAUsersErrorOnOneLine) {
  const test::TempFolder folder;
  const Outcome outcome = run_report((folder / "missing").string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.output.find("[report]"), std::string::npos);
  EXPECT_NE(outcome.output.find("no such run folder"), std::string::npos);
  EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
}

}  // namespace
}  // namespace unfold::cli
