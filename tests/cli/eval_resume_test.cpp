// An evaluation that is killed, and run again.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "eval/predictions/prediction_store.h"
#include "eval/results.h"
#include "tests/cli/running_program.h"
#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

// Batches written so far, of all methods.
std::size_t batches_done(const fs::path& predictions) {
  std::size_t done = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(predictions, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() != ".jsonl") continue;
    std::ifstream in(at->path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    for (std::size_t i = text.find("\n\n"); i != std::string::npos; i = text.find("\n\n", i + 2)) {
      ++done;
    }
    if (at->path().parent_path().filename() != "unfinished") done += 1000;
  }
  return done;
}

// What an evaluation says but for the time it took.
std::vector<std::string> rows_of(const fs::path& run) {
  std::vector<std::string> rows;
  for (const eval::ResultRow& row : eval::read_results(run / "results.json").rows) {
    rows.push_back(fmt::format("{} {} {} {} {} {} {} {} {}", row.task, row.method, row.ratio,
                               row.metric, row.value, row.n, row.low, row.high, row.attended));
  }
  return rows;
}

TEST(EvalResume, KilledAnywhereItEndsWithTheSameNumbers) {
  const TrainedRun trained("eval_resume");
  const fs::path whole = trained.run();
  const fs::path killed = trained.file("killed");
  fs::copy(whole, killed, fs::copy_options::recursive);
  const std::vector<std::string> settings = {"--set", "eval.tasks=[recall, rag, probe.needle]",
                                             "--set", "eval.methods=[full, gsa]",
                                             "--set", "eval.samples=12",
                                             "--set", "eval.batch_positions=1000",
                                             "--set", "eval.rag.documents=2",
                                             "--set", "eval.rag.max_new_tokens=8",
                                             "--set", "eval.probes.lengths=[256]",
                                             "--set", "eval.probes.depths=6"};
  std::string options;
  for (const std::string& word : settings) options += fmt::format(" '{}'", word);
  const ProgramResult once = run_unfold(fmt::format("eval '{}'{}", whole.string(), options));
  ASSERT_EQ(once.code, 0) << once.err;

  std::vector<std::string> arguments = {"eval", killed.string()};
  arguments.insert(arguments.end(), settings.begin(), settings.end());
  std::size_t done = 0;
  for (int kill = 0; kill < 4; ++kill) {
    RunningProgram program(arguments, trained.file("err"));
    const std::size_t more = done + 1;
    if (!program.wait_until([&] { return batches_done(killed / "predictions") >= more; })) break;
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait(), -SIGKILL);
    EXPECT_FALSE(fs::exists(killed / "results.json"));
    done = batches_done(killed / "predictions");
  }
  const ProgramResult rest = run_unfold(fmt::format("eval '{}'{}", killed.string(), options));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(rows_of(killed), rows_of(whole));
  // Every sample once, and the same one.
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(whole / "predictions")) {
    if (entry.path().extension() != ".jsonl") continue;
    ++files;
    const fs::path same = killed / fs::relative(entry.path(), whole);
    const std::vector<eval::Prediction> expected = eval::read_predictions(entry.path());
    const std::vector<eval::Prediction> got = eval::read_predictions(same);
    ASSERT_EQ(got.size(), expected.size()) << same;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].index, static_cast<std::int64_t>(i));
      EXPECT_EQ(got[i].pred, expected[i].pred);
      EXPECT_EQ(got[i].attended, expected[i].attended);
    }
  }
  EXPECT_EQ(files, 6u);

  // Evaluated again, nothing is left to do; put aside, all is.
  const ProgramResult again = run_unfold(fmt::format("eval '{}'{}", killed.string(), options));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(rows_of(killed), rows_of(whole));
  const ProgramResult anew =
      run_unfold(fmt::format("eval '{}'{} --set eval.resume=false", killed.string(), options));
  EXPECT_EQ(anew.code, 0) << anew.err;
  EXPECT_EQ(rows_of(killed), rows_of(whole));
}

}  // namespace
}  // namespace unfold::cli
