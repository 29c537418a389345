// `mpirun -n N unfold ...`: the same training in any layout, and what happens when a rank is lost.
#include "tests/cli/ranks.h"

#include <sys/mount.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cli/running_program.h"
#include "tests/cli/train_files.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Sets = std::vector<std::string>;

class Ranks : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (core::mpi_version().empty()) return;
    set_mpirun_environment();
    files_ = new TrainFiles("ranks");
  }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }
  void SetUp() override { UNFOLD_NEEDS_MPIRUN(); }

  // 0 ranks: without mpirun.
  static ProgramResult run(int ranks, const std::string& name, Sets sets) {
    for (const char* set : {"train.dtype=float64", "train.steps=12"}) sets.emplace_back(set);
    return files_->run_train(name, sets, ranks > 0 ? mpirun(ranks) : "");
  }
  static void run_well(int ranks, const std::string& name, const Sets& sets = {}) {
    const ProgramResult result = run(ranks, name, sets);
    EXPECT_EQ(result.code, 0) << name << result.err;
  }
  // The run of one process that others are held to.
  static const std::string& alone() {
    static const std::string name = [] {
      run_well(0, "alone");
      return std::string("alone");
    }();
    return name;
  }
  static void compare(const Json& got, const Json& want, double tolerance, const std::string& at) {
    ASSERT_EQ(got.type(), want.type()) << at;
    if (want.is_object()) {
      ASSERT_EQ(got.size(), want.size()) << at;
      for (const auto& [key, value] : want.items()) {
        compare(got.at(key), value, tolerance, at + "." + key);
      }
    } else if (want.is_number()) {
      EXPECT_NEAR(got.get<double>(), want.get<double>(), tolerance * std::fabs(want.get<double>()))
          << at;
    }
  }
  static void expect_equal(const std::string& name, double tolerance = 1e-12) {
    const std::vector<std::string> want = files_->metrics(alone());
    const std::vector<std::string> got = files_->metrics(name);
    ASSERT_EQ(got.size(), want.size()) << name;
    for (std::size_t i = 0; i < want.size(); ++i) {
      compare(Json::parse(got[i]), Json::parse(want[i]), tolerance, name + std::to_string(i));
    }
  }
  static std::string err_file(const std::string& name) {
    return files_->path(name + ".err").string();
  }
  // A long training of 3 ranks, whose checkpoint of step 4 is there.
  static std::unique_ptr<RunningProgram> start_long(const std::string& name, Sets sets = {}) {
    for (const char* set : {"train.steps=100000", "train.val_every=0"}) sets.emplace_back(set);
    auto program = std::make_unique<RunningProgram>(files_->train(name, sets), err_file(name),
                                                    std::vector<std::string>{"mpirun", "-n", "3"});
    program->wait_until([&] {
      return fs::exists(files_->path(name) / "checkpoints" / "step-4" / "manifest.json") ||
             files_->checkpoints(name).size() > 1;
    });
    return program;
  }
  static double seconds_to_end(RunningProgram& program, int& code) {
    const auto begin = std::chrono::steady_clock::now();
    code = program.wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  static inline TrainFiles* files_ = nullptr;
};

TEST_F(Ranks, TakeTheStepsOfOneProcess) {
  run_well(1, "one");
  EXPECT_EQ(files_->metrics("one"), files_->metrics(alone()));
  EXPECT_EQ(TrainFiles::changes(files_->tree("one/checkpoints"), files_->tree("alone/checkpoints")),
            std::vector<std::string>{});
  run_well(2, "two");
  expect_equal("two");
  run_well(3, "three", {"train.zero1=true"});
  expect_equal("three");
  run_well(4, "four", {"train.micro_rows=1", "checkpoint.async=true"});
  expect_equal("four");
}

TEST_F(Ranks, EvaluateAsOneProcess) {
  const std::string run = files_->path(alone()).string();
  const auto rows = [&](int ranks) {
    fs::remove_all(files_->path(alone()) / "predictions");
    const ProgramResult result = run_unfold(
        fmt::format("eval '{}' --set 'eval.tasks=[passkey, recall, perplexity]' --set "
                    "'eval.methods=[full, gsa]' --set eval.samples=7 --set eval.context=128",
                    run),
        ranks > 0 ? mpirun(ranks) : "");
    EXPECT_EQ(result.code, 0) << result.err;
    Json json = Json::parse(files_->read(alone() + "/results.json"))["rows"];
    for (Json& row : json) row.erase("samples_per_second");  // the only part that is timed
    return json;
  };
  const Json expected = rows(0);
  EXPECT_EQ(expected.size(), 7u);  // perplexity has three
  EXPECT_EQ(rows(1), expected);
  EXPECT_EQ(rows(3), expected);
}

TEST_F(Ranks, GoOnInAnyLayout) {
  for (const bool shared : {false, true}) {
    const std::string zero1 = shared ? "train.zero1=true" : "train.zero1=false";
    for (const int then : {1, 3}) {
      const std::string name = "resumed" + std::to_string(then) + (shared ? "shared" : "");
      run_well(4, name, {zero1, shared ? "checkpoint.async=true" : "checkpoint.async=false"});
      fs::remove_all(files_->path(name) / "checkpoints" / "step-12");
      const Sets other = {"--resume", then == 1 ? "train.zero1=false" : "train.zero1=true"};
      run_well(then, name, other);
      expect_equal(name);
    }
  }
}

TEST_F(Ranks, AKilledRankEndsAllAndTheRunGoesOn) {
  run_well(3, "undisturbed");
  for (const std::size_t victim : {0, 1}) {
    const std::string name = "killed" + std::to_string(victim);
    const auto program = start_long(name);
    const std::vector<::pid_t> ranks = rank_processes(program->pid());
    ASSERT_EQ(ranks.size(), 3u);
    ::kill(ranks[victim], SIGKILL);
    int code = 0;
    EXPECT_LT(seconds_to_end(*program, code), 30);
    EXPECT_NE(code, 0);
    const std::string err = files_->read(name + ".err");
    EXPECT_NE(err.find(fmt::format("[ranks] rank {} (", victim)), std::string::npos) << err;
    EXPECT_NE(err.find("was killed or crashed"), std::string::npos) << err;
  }
  // Killed behind its last checkpoint: the curve goes on in every bit.
  run_well(3, "again");
  fs::remove_all(files_->path("again") / "checkpoints" / "step-12");
  run_well(3, "again", {"--resume"});
  EXPECT_EQ(files_->metrics("again"), files_->metrics("undisturbed"));
  EXPECT_EQ(TrainFiles::changes(files_->tree("again/checkpoints/step-12"),
                                files_->tree("undisturbed/checkpoints/step-12")),
            std::vector<std::string>{});
}

TEST_F(Ranks, AStoppedRankIsNoticed) {
  ::setenv("UNFOLD_COMM_TIMEOUT", "10", 1);
  const auto program = start_long("stopped");
  ::unsetenv("UNFOLD_COMM_TIMEOUT");
  const std::vector<::pid_t> ranks = rank_processes(program->pid());
  ASSERT_EQ(ranks.size(), 3u);
  ::kill(ranks[2], SIGSTOP);
  int code = 0;
  EXPECT_LT(seconds_to_end(*program, code), 30);
  EXPECT_EQ(code, 75);
  const std::string err = files_->read("stopped.err");
  EXPECT_NE(err.find("[ranks] rank 2 ("), std::string::npos) << err;
  EXPECT_NE(err.find("has not been heard of"), std::string::npos) << err;
}

TEST_F(Ranks, ASignalToAnyRankSavesOnceAndEndsAll) {
  for (const int signal : {SIGTERM, SIGUSR1}) {
    const std::string name = "signal" + std::to_string(signal);
    const auto program = start_long(name, {"checkpoint.keep=100000"});
    const std::vector<::pid_t> ranks = rank_processes(program->pid());
    ASSERT_EQ(ranks.size(), 3u);
    ::kill(ranks[1], signal);
    int code = 0;
    EXPECT_LT(seconds_to_end(*program, code), 30);
    EXPECT_EQ(code, 128 + signal) << files_->read(name + ".err");
    const std::string text = files_->read(name + "/metrics.jsonl");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), files_->checkpoints(name).back());
    const std::string err = files_->read(name + ".err");
    EXPECT_EQ(err.find("[signal] stopped by"), err.rfind("[signal] stopped by")) << err;
  }
}

// What differs between ranks is told at the start. mpirun takes a command a rank, behind colons.
TEST_F(Ranks, DifferentStartsAreRefused) {
  const std::string folder = files_->path("").string();
  const std::string other = files_->path("other_program").string();
  fs::copy_file(UNFOLD_PROGRAM, other, fs::copy_options::overwrite_existing);
  std::ofstream(other, std::ios::app) << "x";
  std::string text = files_->read("text.txt");
  text[100] = 'x';
  files_->write("other.txt", text);
  ASSERT_EQ(run_unfold(fmt::format("data tokenize '{0}other.txt' --out '{0}other'", folder)).code,
            0);
  const auto line = [&](const Sets& sets) {
    std::string arguments;
    for (const std::string& word : files_->train("differs", sets)) arguments += " '" + word + "'";
    return arguments;
  };
  const auto refuse = [&](const std::string& second, const Sets& first_sets, const Sets& sets,
                          const std::string& words) {
    const ProgramResult result =
        run_unfold(fmt::format("{} : -n 1 {} {}", line(first_sets), second, line(sets)),
                   mpirun(2) + "-wdir '" + folder + "'");
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("of rank 2"), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(files_->path("differs")));
  };
  const std::string same = "'" UNFOLD_PROGRAM "'";
  refuse(same, {}, {"optimizer.lr=0.004"}, "'lr: 0.004' and 'lr: 0.005'");
  refuse("'" + other + "'", {}, {}, "the program of rank 2 differs");
  // The same paths, but other files behind them.
  fs::create_directories(files_->path("host"));
  fs::rename(files_->path("other"), files_->path("host/data"));
  const Sets relative = {"data.train=[data]", "data.val=[data]"};
  refuse("-wdir '" + folder + "host' " + same, relative, relative, "data.train of rank 2 differs");
}

TEST_F(Ranks, WarningsAreToldOnce) {
  const Sets plain = {"train.init_from=" + files_->path(alone()).string(), "gist.chunks=[]",
                      "train.objective=lm", "eval.methods=[full]"};
  const ProgramResult result = run(3, "plain", plain);
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string words = "the upper ones are left out";
  EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(words), result.err.rfind(words)) << result.err;
}

TEST_F(Ranks, ErrorsAreToldOnce) {
  const ProgramResult few = run(4, "few", {"train.rows=2"});
  EXPECT_EQ(few.code, 2);
  const std::string words = "train.rows = 2 are too few for 4 ranks";
  EXPECT_NE(few.err.find(words), std::string::npos) << few.err;
  EXPECT_EQ(few.err.find(words), few.err.rfind(words)) << few.err;
  EXPECT_FALSE(fs::exists(files_->path("few")));
}

TEST_F(Ranks, AFullDiskEndsAllAndLosesNothing) {
  const fs::path disk = files_->path("disk");
  fs::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2500k") != 0) {
    GTEST_SKIP() << "may not mount a small disk";
  }
  const ProgramResult result =
      run(3, "disk/run", {"checkpoint.keep=1000", "checkpoint.every=1", "train.zero1=true"});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_NE(result.err.find("[checkpoint]"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("earlier checkpoints are whole"), std::string::npos) << result.err;
  const std::vector<int> saved = files_->checkpoints("disk/run");
  EXPECT_FALSE(saved.empty());
  fs::remove_all(files_->path("disk/run/checkpoints") / fmt::format("step-{}", saved.front()));
  run_well(2, "disk/run", {"--resume", "checkpoint.keep=1", "checkpoint.every=4"});
  expect_equal("disk/run");
  ::umount(disk.c_str());
}

TEST_F(Ranks, DamageIsPassedOverOnlyWhenTold) {
  run_well(2, "damaged");
  const fs::path file = files_->path("damaged/checkpoints/step-12/trainer.h5");
  std::string bytes = files_->read("damaged/checkpoints/step-12/trainer.h5");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  const ProgramResult refused = run(2, "damaged", {"--resume"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("step-12/trainer.h5: damaged"), std::string::npos) << refused.err;
  const ProgramResult good = run(2, "damaged", {"--resume=latest-good"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.err.find("from step 8"), std::string::npos) << good.err;
  expect_equal("damaged");
}

TEST_F(Ranks, DoctorLooksAtAllHosts) {
  const ProgramResult well = run_unfold(
      "doctor --device cpu --mib 1 --folder '" + files_->path("").string() + "'", mpirun(2));
  EXPECT_EQ(well.out.find("WRONG") == std::string::npos ? 0 : 2, well.code) << well.out << well.err;
  for (const char* words :
       {"2 ranks on 1 host", "sum of 1 MiB on cpu", "clocks", "written by all"}) {
    EXPECT_NE(well.out.find(words), std::string::npos) << words << "\n" << well.out;
  }
  const ProgramResult ill = run_unfold(
      "doctor --device cpu --mib 1 --folder '" + files_->path("none").string() + "'", mpirun(2));
  EXPECT_EQ(ill.code, 2);
  EXPECT_NE(ill.out.find("WRONG"), std::string::npos) << ill.out;
}

TEST(Doctor, OneProcess) {
  const TestFolder folder("doctor");
  const ProgramResult result = run_unfold(
      "doctor --device cpu --folder '" + folder.path().string() + "'", "OMP_NUM_THREADS=1");
  EXPECT_EQ(result.code, result.out.find("WRONG") == std::string::npos ? 0 : 2) << result.out;
  EXPECT_NE(result.out.find("1 rank on 1 host"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace unfold::cli
