// The real program: exit codes, what goes to which stream, one line an error.
#include <gtest/gtest.h>

#include <string>

#include "cli/config/config.h"
#include "cli/version.h"
#include "tests/cli/run_program.h"
#include "tests/cli/running_program.h"

namespace unfold::cli {
namespace {

void expect_usage_error(const std::string& arguments, const std::string& expected) {
  const ProgramResult result = run_unfold(arguments);
  EXPECT_EQ(result.code, 2) << arguments;
  EXPECT_EQ(result.out, "") << arguments;
  EXPECT_EQ(result.err, expected + "\n") << arguments;
}

TEST(Program, HelpAndVersion) {
  const ProgramResult help = run_unfold("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string word : {"config", "inspect", "A first look:", "--version"}) {
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  }
  const ProgramResult command = run_unfold("config show --help");
  EXPECT_EQ(command.code, 0);
  EXPECT_NE(command.out.find("Usage: unfold config show [OPTIONS] CONFIG"), std::string::npos)
      << command.out;
  const ProgramResult version_line = run_unfold("--version");
  EXPECT_EQ(version_line.code, 0);
  EXPECT_EQ(version_line.out, "unfold " + std::string(version()) + "\n");
}

TEST(Program, WrongCommandLines) {
  expect_usage_error("", "[usage] unfold: no command given (see unfold --help)");
  expect_usage_error("confg show",
                     "[usage] unfold: unknown command 'confg': did you mean 'config'? (see unfold "
                     "--help)");
  expect_usage_error("config",
                     "[usage] unfold config: no command given (see unfold config --help)");
  expect_usage_error("config shw a",
                     "[usage] unfold config: unknown command 'shw': did you mean 'show'? (see "
                     "unfold config --help)");
  expect_usage_error("--wrong", "[usage] unfold: unknown option '--wrong' (see unfold --help)");
  for (const std::string arguments :
       {"config show", "config show a b", "config show a --set", "config reference --format html",
        "inspect visibility", "inspect insertion --tokens a --chunks x",
        "inspect insertion --tokens a --text b", "inspect insertion --tokens a --rule words"}) {
    const ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    EXPECT_EQ(result.err.rfind("[usage] unfold ", 0), 0u) << result.err;
    EXPECT_NE(result.err.find(" --help)"), std::string::npos) << result.err;
  }
}

TEST(Program, ConfigShowPrintsTheResolvedConfig) {
  const TestFolder folder("config_show");
  const std::string file = folder.write("a.yaml", "run: {dir: runs/a}\n");
  const ProgramResult result =
      run_unfold("config show --set train.steps=7 --set 'gist.chunks=[4, 4]' '" + file + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const Config config = parse_config(result.out, "printed");
  EXPECT_EQ(config.run.dir, "runs/a");
  EXPECT_EQ(config.train.steps, 7);
  EXPECT_EQ(config.gist.chunks, (std::vector<std::int64_t>{4, 4}));
  EXPECT_EQ(to_yaml(config), result.out);
}

TEST(Program, ConfigErrorsAreOneLineWithFileAndLine) {
  const TestFolder folder("config_errors");
  const std::string unknown = folder.write("a.yaml", "run: {dir: a}\ntrain:\n  stps: 3\n");
  const std::string chunk = folder.write("b.yaml", "gist: {chunks: [4096]}\n");
  const std::string broken = folder.write("c.yaml", "run: {dir: [\n");
  const struct {
    std::string arguments;
    std::string expected;
  } cases[] = {
      {unknown,
       "[config] " + unknown + ":3: unknown key 'train.stps': did you mean 'train.steps'?"},
      {chunk, "[config] " + chunk + ":1: gist.chunks: a chunk of 4096 tokens is longer than a row"},
      {broken, "[config] " + broken + ":2:1: not valid YAML: "},
      {folder.path().string(), "[config] " + folder.path().string() + ": is a folder"},
      {folder.path().string() + "/none.yaml",
       "[config] " + folder.path().string() + "/none.yaml: "},
      {chunk + " --set train.stps=1", "[config] " + chunk + ":1"},
  };
  for (const auto& [arguments, expected] : cases) {
    const ProgramResult result = run_unfold("config show " + arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    if (arguments.find("--set") == std::string::npos) {
      EXPECT_EQ(result.err.rfind(expected, 0), 0u) << result.err;
    } else {
      EXPECT_EQ(result.err.rfind("[config] --set train.stps=1: unknown key", 0), 0u) << result.err;
    }
  }
}

TEST(Program, ConfigReference) {
  EXPECT_EQ(run_unfold("config reference").out, config_reference(ReferenceFormat::text));
  EXPECT_EQ(run_unfold("config reference --format markdown").out,
            config_reference(ReferenceFormat::markdown));
}

TEST(Program, DataThatASignalStopsLeavesNoFile) {
  const TestFolder folder("stopped_data");
  const std::string out = (folder.path() / "out.jsonl").string();
  RunningProgram program(
      {"data", "synthesize", "--task", "recall", "--count", "1000000000", "--out", out},
      "/dev/null");
  ASSERT_TRUE(program.wait_until(
      [&] { return std::filesystem::exists(folder.path() / ".out.jsonl.tmp"); }));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 143);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Program, FullStandardOutputIsAUserError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const ProgramResult result = run_unfold("config reference >/dev/full");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err, "[output] standard output: cannot be written: No space left on device\n");
}

TEST(Program, StandardErrorThatCannotBeWrittenIsNoCrash) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(run_unfold("config show none.yaml 2>/dev/full").code, 2);
  EXPECT_EQ(run_unfold("config show none.yaml 2>&-").code, 2);
}

}  // namespace
}  // namespace unfold::cli
