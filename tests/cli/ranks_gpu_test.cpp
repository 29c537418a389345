// Ranks on GPUs: through NCCL where every rank has a GPU of its own, through host memory where
// ranks share one.
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "core/device.h"
#include "tests/cli/ranks.h"
#include "tests/cli/running_program.h"
#include "tests/cli/train_files.h"
#include "tests/support/gpu.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Sets = std::vector<std::string>;

class RanksGpu : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (core::mpi_version().empty() || core::cuda_device_count() == 0) return;
    set_mpirun_environment();
    files_ = new TrainFiles("ranks_gpu");
  }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }
  void SetUp() override {
    UNFOLD_NEEDS_GPU();
    UNFOLD_NEEDS_MPIRUN();
  }

  // before: what stands in front of the program, e.g. mpirun.
  static void run_well(const std::string& before, const std::string& name, Sets sets = {}) {
    sets.insert(sets.begin(), {"run.device=cuda", "train.dtype=float64", "train.steps=12"});
    const ProgramResult result = files_->run_train(name, sets, before);
    EXPECT_EQ(result.code, 0) << name << "\n" << result.err;
    last_err_ = result.err;
  }
  static const std::string& alone() {
    static const std::string name = [] {
      run_well("", "alone");
      return std::string("alone");
    }();
    return name;
  }
  static void expect_equal(const std::string& name) { expect_close(name, alone(), 1e-11); }
  static void expect_close(const std::string& name, const std::string& reference,
                           double tolerance) {
    const std::vector<std::string> want = files_->metrics(reference);
    const std::vector<std::string> got = files_->metrics(name);
    ASSERT_EQ(got.size(), want.size()) << name;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const Json left = Json::parse(got[i]);
      const Json right = Json::parse(want[i]);
      for (const auto& [key, value] : right.items()) {
        if (!value.is_number()) continue;
        EXPECT_NEAR(left.at(key).get<double>(), value.get<double>(),
                    tolerance * std::fabs(value.get<double>()))
            << name << " line " << i << " " << key;
      }
    }
  }
  static void expect_any_layout(const std::string& prefix, const std::string& two) {
    run_well(two, prefix + "plain");
    expect_equal(prefix + "plain");
    run_well(two, prefix + "shared", {"train.zero1=true", "checkpoint.async=true"});
    expect_equal(prefix + "shared");
    for (const char* kind : {"plain", "shared"}) {
      fs::remove_all(files_->path(prefix + kind) / "checkpoints" / "step-12");
    }
    run_well("", prefix + "shared", {"--resume", "train.zero1=false"});
    expect_equal(prefix + "shared");
    run_well(two, prefix + "plain", {"--resume", "train.zero1=true"});
    expect_equal(prefix + "plain");
    // bfloat16 sums, and a model in bfloat16, as they are used.
    run_well(two, prefix + "narrow",
             {"train.dtype=float32", "train.reduce_dtype=bfloat16", "train.zero1=true"});
    const Sets narrow = {"train.dtype=bfloat16", "train.gradient_dtype=bfloat16"};
    run_well("", prefix + "bfloat16", narrow);
    run_well(two, prefix + "bfloat16s", narrow);
    expect_close(prefix + "bfloat16s", prefix + "bfloat16", 0.02);
    run_well(two, prefix + "bfloat16z", {narrow[0], narrow[1], "train.zero1=true"});
    expect_close(prefix + "bfloat16z", prefix + "bfloat16s", 0.02);
  }
  // Planned memory of one rank against what it took; and whether communication was hidden.
  static Json bench(const std::string& before, const std::string& sets) {
    const std::string file = files_->write("bench.yaml", R"(run: {device: cuda}
model: {vocab_size: 8192, width: 512, layers: 6, heads: 8, kv_heads: 4, ffn: 1024}
gist: {chunks: [16], sinks: 4}
train: {rows: 8, row_length: 1024, dtype: bfloat16}
)");
    const ProgramResult result =
        run_unfold("bench train --format json '" + file + "' " + sets, before);
    EXPECT_EQ(result.code, 0) << result.err;
    const Json json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result.out;
    return json.is_discarded() ? Json() : json["train"]["rows"][0];
  }

  static inline TrainFiles* files_ = nullptr;
  static inline std::string last_err_;
};

TEST_F(RanksGpu, OneRankOfNcclIsTheSingleProcess) {
  if (core::nccl_version().empty()) GTEST_SKIP() << "built without NCCL";
  run_well("UNFOLD_COMM=nccl " + mpirun(1), "one");
  EXPECT_NE(last_err_.find("NCCL"), std::string::npos) << last_err_;
  EXPECT_EQ(files_->metrics("one"), files_->metrics(alone()));
  EXPECT_EQ(TrainFiles::changes(files_->tree("one/checkpoints"), files_->tree("alone/checkpoints")),
            std::vector<std::string>{});
}

TEST_F(RanksGpu, TwoRanksShareAGpu) {
  expect_any_layout("staged", "CUDA_VISIBLE_DEVICES=0 " + mpirun(2));
}

TEST_F(RanksGpu, EveryRankHasAGpu) {
  if (core::nccl_version().empty()) GTEST_SKIP() << "built without NCCL";
  const int gpus = core::cuda_device_count();
  if (gpus < 2) GTEST_SKIP() << "one GPU alone";
  const std::string kernels = "UNFOLD_COMM=nccl UNFOLD_COPY_ENGINES=0 ";
  // Where copy engines do it, with every bucket, however small.
  const std::string copies = "UNFOLD_COMM=nccl UNFOLD_COPY_ENGINES=always ";
  expect_any_layout("two", kernels + mpirun(2));
  expect_any_layout("copies", copies + mpirun(2));
  if (gpus == 2) return;
  expect_any_layout("all", kernels + mpirun(std::min(gpus, 8)));
  expect_any_layout("allcopies", copies + mpirun(std::min(gpus, 8)));
}

// While the others wait in NCCL's kernels, and while streams of theirs wait for its flags.
TEST_F(RanksGpu, AKilledRankEndsAll) {
  const int ranks = std::clamp(core::cuda_device_count(), 2, 8);
  for (const std::string copies : {"0", "always"}) {
    const std::string run = "killed" + copies;
    RunningProgram program(
        files_->train(run, {"run.device=cuda", "train.steps=1000000", "train.val_every=0"}),
        files_->path(run + ".err").string(),
        {"env", "UNFOLD_COPY_ENGINES=" + copies, "mpirun", "-n", std::to_string(ranks)});
    program.wait_until([&] { return files_->checkpoints(run).size() > 1; });
    const std::vector<::pid_t> processes = rank_processes(program.pid());
    ASSERT_EQ(processes.size(), static_cast<std::size_t>(ranks));
    const auto begin = std::chrono::steady_clock::now();
    ::kill(processes[1], SIGKILL);
    EXPECT_NE(program.wait(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
    const std::string err = files_->read(run + ".err");
    EXPECT_NE(err.find("[ranks] rank 1 ("), std::string::npos) << err;
  }
}

TEST_F(RanksGpu, MemoryIsThePlanned) {
  for (const char* zero1 : {"false", "true"}) {
    const Json row = bench(mpirun(2), std::string("--set train.zero1=") + zero1);
    ASSERT_TRUE(row.is_object());
    EXPECT_EQ(row["ranks"], 2);
    EXPECT_LT(std::fabs(row["planned_off_percent"].get<double>()), 5) << zero1 << row.dump();
  }
}

TEST_F(RanksGpu, CommunicationIsHidden) {
  if (core::nccl_version().empty()) GTEST_SKIP() << "built without NCCL";
  const int ranks = core::cuda_device_count() > 1 ? 2 : 1;
  const Json row = bench("UNFOLD_COMM=nccl " + mpirun(ranks), "");
  ASSERT_TRUE(row.is_object());
  EXPECT_GT(row["communication_ms"].get<double>(), 0);
  EXPECT_GT(row["hidden_percent"].get<double>(), 20) << row.dump();
}

}  // namespace
}  // namespace unfold::cli
