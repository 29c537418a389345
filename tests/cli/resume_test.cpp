// `unfold train` killed, stopped and resumed, as a user's machine does it.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <csignal>

#include "tests/cli/running_program.h"
#include "tests/cli/train_files.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

class Resume : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_ = new TrainFiles("resume");
    const ProgramResult result = files_->run_train("whole");
    ASSERT_EQ(result.code, 0) << result.err;
    ASSERT_EQ(files_->checkpoints("whole").back(), 24);
  }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }

  void expect_equals_undisturbed(const std::string& run) {
    EXPECT_EQ(files_->metrics(run), files_->metrics("whole"));
    ASSERT_EQ(files_->checkpoints(run).back(), 24);
    EXPECT_EQ(TrainFiles::changes(files_->tree("whole/checkpoints/step-24"),
                                  files_->tree(run + "/checkpoints/step-24")),
              std::vector<std::string>{});
    EXPECT_EQ(files_->read(run + "/checkpoints/best.json"),
              files_->read("whole/checkpoints/best.json"));
    EXPECT_EQ(files_->read(run + "/config.yaml").size(),
              files_->read("whole/config.yaml").size() + run.size() - 5);
    for (const auto& entry : fs::directory_iterator(files_->path(run) / "checkpoints")) {
      EXPECT_NE(entry.path().filename().string().front(), '.') << "a leftover: " << entry.path();
    }
  }
  void resume_to_the_end(const std::string& run) {
    const ProgramResult result = files_->run_train(run, {"--resume"});
    ASSERT_EQ(result.code, 0) << result.err;
    expect_equals_undisturbed(run);
  }
  std::size_t lines(const std::string& run) const {
    const std::string text = files_->read(run + "/metrics.jsonl");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::string err_file(const std::string& run) const { return files_->path(run + ".err").string(); }

  static inline TrainFiles* files_ = nullptr;
};

// Profiling changes nothing that a run computes.
TEST_F(Resume, AProfiledRunIsTheSameRun) {
  const ProgramResult result = files_->run_train("profiled", {"--profile"});
  ASSERT_EQ(result.code, 0) << result.err;
  expect_equals_undisturbed("profiled");
  const std::string table = files_->read("profiled/profile.txt");
  EXPECT_TRUE(result.out.ends_with(table));
  for (const char* row :
       {"kernel ", "matmul ", "attention_backward ", "adamw_all ", "outside kernels "}) {
    EXPECT_NE(table.find(row), std::string::npos) << row;
  }
}

TEST_F(Resume, KilledAtManySteps) {
  for (const std::size_t at : {0, 1, 3, 5, 9, 14, 19}) {
    SCOPED_TRACE(at);
    const std::string run = "killed" + std::to_string(at);
    RunningProgram program(files_->train(run), err_file(run));
    ASSERT_TRUE(program.wait_until(
        [&] { return fs::exists(files_->path(run) / "metrics.jsonl") && lines(run) >= at; }));
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait(), -SIGKILL);
    resume_to_the_end(run);
  }
}

TEST_F(Resume, KilledWhileACheckpointIsWritten) {
  // The hidden folder is there for a few milliseconds: nearly every attempt hits it.
  int half_written = 0;
  for (int attempt = 0; attempt < 6; ++attempt) {
    const std::string run = "writing" + std::to_string(attempt);
    const fs::path checkpoints = files_->path(run) / "checkpoints";
    const fs::path hidden =
        checkpoints / (".step-" + std::to_string(4 * (attempt + 1)) + ".writing");
    RunningProgram program(files_->train(run), err_file(run));
    if (!program.wait_until([&] {
          return fs::exists(hidden) ||
                 fs::exists(checkpoints / ("step-" + std::to_string(4 * (attempt + 1))));
        })) {
      return;
    }
    program.signal(SIGKILL);
    program.wait();
    half_written += fs::exists(hidden) ? 1 : 0;
    resume_to_the_end(run);
  }
  EXPECT_GT(half_written, 0);
}

TEST_F(Resume, KilledTwice) {
  const std::string run = "twice";
  for (const std::size_t at : {6, 15}) {
    RunningProgram program(files_->train(run, at == 6 ? std::vector<std::string>{}
                                                      : std::vector<std::string>{"--resume"}),
                           err_file(run));
    ASSERT_TRUE(program.wait_until([&] { return lines(run) >= at; }));
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait(), -SIGKILL);
  }
  resume_to_the_end(run);
}

TEST_F(Resume, ASecondTrainingOfTheSameRunIsRefused) {
  const std::string run = "second";
  RunningProgram program(files_->train(run), err_file(run));
  ASSERT_TRUE(program.wait_until([&] { return lines(run) >= 2; }));
  program.signal(SIGSTOP);  // so that it cannot end before the other one starts
  const ProgramResult second = files_->run_train(run, {"--resume"});
  program.signal(SIGCONT);
  EXPECT_EQ(second.code, 2);
  EXPECT_TRUE(second.err_is_one_line()) << second.err;
  EXPECT_NE(second.err.find("another process is writing"), std::string::npos) << second.err;
  EXPECT_EQ(program.wait(), 0);
  expect_equals_undisturbed(run);
}

TEST_F(Resume, ATornLastLineOfTheMetricsIsDropped) {
  const std::string run = "torn";
  {
    RunningProgram program(files_->train(run), err_file(run));
    ASSERT_TRUE(program.wait_until([&] { return lines(run) >= 7; }));
    program.signal(SIGKILL);
    program.wait();
  }
  std::ofstream(files_->path(run) / "metrics.jsonl", std::ios::app) << "{\"step\": 9, \"lo";
  resume_to_the_end(run);
}

TEST_F(Resume, AHalfWrittenCheckpointIsIgnored) {
  const std::string run = "half";
  {
    RunningProgram program(files_->train(run), err_file(run));
    ASSERT_TRUE(program.wait_until([&] { return !files_->checkpoints(run).empty(); }));
    program.signal(SIGKILL);
    program.wait();
  }
  const fs::path hidden = files_->path(run) / "checkpoints" / ".step-20.writing";
  fs::create_directories(hidden);
  std::ofstream(hidden / "model.h5") << "half";
  resume_to_the_end(run);
}

TEST_F(Resume, SavesOnSigtermAndSigint) {
  for (const int signal : {SIGTERM, SIGINT}) {
    SCOPED_TRACE(signal);
    const std::string run = "stopped" + std::to_string(signal);
    RunningProgram program(files_->train(run), err_file(run));
    ASSERT_TRUE(program.wait_until([&] { return lines(run) >= 6; }));
    program.signal(signal);
    EXPECT_EQ(program.wait(), 128 + signal);
    const std::vector<int> steps = files_->checkpoints(run);
    ASSERT_FALSE(steps.empty());
    const std::string err = files_->read(run + ".err");
    const std::string line = fmt::format("[signal] stopped by signal {} after saving\n", signal);
    EXPECT_NE(err.find(line), std::string::npos) << err;
    EXPECT_NE(err.find(fmt::format("saved step {} of 24", steps.back())), std::string::npos) << err;
    // Nothing is lost: the step that was saved is the last one in the log.
    const std::string last = files_->metrics(run).back();
    EXPECT_EQ(last.rfind(fmt::format("{{\"step\":{},", steps.back()), 0), 0u) << last;
    resume_to_the_end(run);
  }
}

TEST_F(Resume, ASecondSignalEndsTheRunAtOnce) {
  const std::string run = "impatient";
  // Steps of about half a second: both signals arrive well inside the second one.
  const std::vector<std::string> slow = {"train.rows=64", "train.row_length=400", "model.width=64",
                                         "train.val_every=0", "model.ffn=256"};
  RunningProgram program(files_->train(run, slow), err_file(run));
  ASSERT_TRUE(program.wait_until([&] { return lines(run) >= 1; }));
  for (const int signal : {SIGINT, SIGTERM}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    program.signal(signal);
  }
  EXPECT_EQ(program.wait(), -SIGTERM);
  EXPECT_TRUE(files_->checkpoints(run).empty());
}

TEST_F(Resume, MoreStepsAreAllowed) {
  const std::string run = "longer";
  ASSERT_EQ(files_->run_train(run, {"train.steps=8"}).code, 0);
  const ProgramResult result = files_->run_train(run, {"train.steps=24", "--resume"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("train.steps was 8 and is now 24"), std::string::npos) << result.err;
  EXPECT_EQ(files_->checkpoints(run).back(), 24);
  EXPECT_NE(files_->read(run + "/config.yaml").find("steps: 24"), std::string::npos);
  // And the run knows its new length: no warning any more.
  const ProgramResult again = files_->run_train(run, {"--resume"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.err.find("train.steps"), std::string::npos) << again.err;
}

TEST_F(Resume, AKeyThatMattersMayNotChange) {
  const auto before = files_->tree("whole");
  const struct {
    std::string set, key;
  } cases[] = {
      {"optimizer.lr=1e-4", "optimizer.lr was 0.005 and is now 0.0001"},
      {"run.seed=8", "run.seed was 7 and is now 8"},
      {"model.width=16", "model.width was 32 and is now 16"},
      {"gist.chunks=[8]", "gist.chunks was [6] and is now [8]"},
      {"train.rows=4", "train.rows was 8 and is now 4"},
      {"data.tokenizer=other.json", "data.tokenizer was \"byte\" and is now \"other.json\""}};
  for (const auto& [set, key] : cases) {
    const ProgramResult result = files_->run_train("whole", {set, "--resume"});
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    EXPECT_NE(result.err.find(key), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(files_->path("whole/config.yaml").string()), std::string::npos);
  }
  EXPECT_EQ(TrainFiles::changes(before, files_->tree("whole")), std::vector<std::string>{});
}

TEST_F(Resume, ARunFolderMayMove) {
  ASSERT_EQ(files_->run_train("here", {"train.steps=8"}).code, 0);
  fs::rename(files_->path("here"), files_->path("there"));
  const ProgramResult result = files_->run_train("there", {"train.steps=12", "--resume"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(files_->checkpoints("there").back(), 12);
  EXPECT_FALSE(fs::exists(files_->path("here")));
}

TEST_F(Resume, ADamagedCheckpointIsRefusedAndTheOneBeforeGoesOn) {
  const std::string run = "damaged";
  ASSERT_EQ(files_->run_train(run).code, 0);
  const fs::path newest = files_->path(run) / "checkpoints" / "step-24";
  std::string bytes = files_->read(run + "/checkpoints/step-24/trainer.h5");
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(newest / "trainer.h5", std::ios::binary) << bytes;
  const auto before = files_->tree(run);
  const ProgramResult refused = files_->run_train(run, {"--resume"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(refused.err_is_one_line()) << refused.err;
  EXPECT_NE(refused.err.find((newest / "trainer.h5").string() + ": damaged"), std::string::npos)
      << refused.err;
  EXPECT_EQ(TrainFiles::changes(before, files_->tree(run)), std::vector<std::string>{});
  fs::remove_all(newest);  // what the error advises
  resume_to_the_end(run);
}

// A small disk of its own; needs root.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1200k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  bool grow() const {
    return ::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=16m") == 0;
  }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

TEST_F(Resume, ADiskThatFillsUpLeavesARunThatGoesOn) {
  const SmallDisk disk(files_->path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  const ProgramResult full = files_->run_train("disk/run");
  EXPECT_EQ(full.code, 2);
  EXPECT_NE(full.err.find("the disk has 0."), std::string::npos) << full.err;
  EXPECT_NE(full.err.find("earlier checkpoints are whole"), std::string::npos) << full.err;
  const std::vector<int> steps = files_->checkpoints("disk/run");
  EXPECT_FALSE(steps.empty());
  EXPECT_LT(steps.back(), 24);
  // Without any room, a new run does not begin and leaves nothing.
  std::ofstream(files_->path("disk/filler")) << std::string(1200 << 10, 'x');
  const auto before = files_->tree("disk");
  const ProgramResult refused = files_->run_train("disk/a/other");
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(refused.err_is_one_line()) << refused.err;
  EXPECT_NE(refused.err.find("disk/a/other"), std::string::npos) << refused.err;
  EXPECT_EQ(TrainFiles::changes(before, files_->tree("disk")), std::vector<std::string>{});
  // With room again, the run ends as if nothing had happened.
  ASSERT_TRUE(disk.grow());
  resume_to_the_end("disk/run");
}

TEST_F(Resume, AFullDiskLeavesARunThatGoesOn) {
  // A file-size limit of 8 blocks of 512 bytes, or of a KiB: metrics fit, a checkpoint does not.
  const std::string run = "full";
  {
    RunningProgram program(files_->train(run), err_file(run));
    ASSERT_TRUE(program.wait_until([&] { return !files_->checkpoints(run).empty(); }));
    program.signal(SIGKILL);
    program.wait();
  }
  const std::vector<int> steps = files_->checkpoints(run);
  const ProgramResult full = files_->run_train(run, {"--resume"}, "trap '' XFSZ; ulimit -f 8;");
  EXPECT_EQ(full.code, 2) << full.err;
  EXPECT_EQ(full.err.back(), '\n');
  EXPECT_NE(full.err.rfind("free some space"), std::string::npos) << full.err;
  for (const int step : steps) {
    EXPECT_TRUE(fs::exists(files_->path(run) / "checkpoints" / fmt::format("step-{}", step)));
  }
  resume_to_the_end(run);
}

}  // namespace
}  // namespace unfold::cli
