// What users see when a GPU cannot do what they ask for: one line, exit code 2, nothing half
// written.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/cuda/runtime.h"
#include "core/device.h"
#include "core/tensor.h"
#include "tests/cli/train_files.h"
#include "tests/support/gpu.h"

namespace unfold::cli {
namespace {

TEST(CudaErrors, WithoutAGpuARunOnCudaIsRefusedAndLeavesNothing) {
  if (core::cuda_device_count() > 0) GTEST_SKIP() << "there is a GPU";
  const TrainFiles files("cuda_missing");
  const TrainFiles::Tree before = files.tree();
  for (const char* device : {"cuda", "cuda:1"}) {
    const ProgramResult result = files.run_train("run", {std::string("run.device=") + device});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    for (const char* words : {"cannot be used", "no GPU", "run.device=cpu"}) {
      EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
    }
    EXPECT_TRUE(TrainFiles::changes(before, files.tree()).empty());
  }
}

// The same on the CPU, whose memory a limit keeps small: the plan says it, the first step fails,
// and the run can be started again.
TEST(MemoryErrors, AFirstStepThatDoesNotFitLeavesNoRun) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer needs more address space than the limit leaves";
#endif
  const TrainFiles files("cpu_memory");
  const TrainFiles::Tree before = files.tree();
  const std::vector<std::string> long_rows = {"train.rows=1", "train.row_length=200000",
                                              "model.ffn=8192", "train.objective=lm",
                                              "train.val_every=0"};
  const ProgramResult result = files.run_train("run", long_rows, "ulimit -v 4000000;");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  for (const char* words :
       {"at the peak (activations", "cpu is out of memory: asked for", "lower train.micro_rows"}) {
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  }
  EXPECT_TRUE(TrainFiles::changes(before, files.tree()).empty());
  EXPECT_EQ(files.run_train("run").code, 0);
}

TEST(CudaErrors, HiddenGpusAreNoGpus) {
  UNFOLD_NEEDS_GPU();
  const TrainFiles files("cuda_hidden");
  const TrainFiles::Tree before = files.tree();
  const ProgramResult result =
      files.run_train("run", {"run.device=cuda"}, "export CUDA_VISIBLE_DEVICES=;");
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(result.err_is_one_line()) << result.err;
  EXPECT_NE(result.err.find("CUDA_VISIBLE_DEVICES"), std::string::npos) << result.err;
  EXPECT_TRUE(TrainFiles::changes(before, files.tree()).empty());
}

// Another process, this one, has all the memory: not even a context fits.
TEST(CudaErrors, AFullDeviceLeavesNothing) {
  UNFOLD_NEEDS_GPU();
  const TrainFiles files("cuda_full");
  const TrainFiles::Tree before = files.tree();
  core::cuda::release_cached(0);
  std::vector<core::Tensor> held;
  for (std::int64_t piece = std::int64_t{16} << 30; piece >= 32 << 20; piece /= 2) {
    while (core::cuda::memory_info(0).free > piece + (64 << 20)) {
      held.push_back(core::Tensor::empty({piece}, core::DType::uint8, {core::DeviceType::cuda, 0}));
    }
  }
  const ProgramResult result = files.run_train("run", {"run.device=cuda"});
  held.clear();
  core::cuda::release_cached(0);
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err_is_one_line()) << result.err;
  EXPECT_TRUE(result.err.find("out of memory") != std::string::npos ||
              result.err.find("another process") != std::string::npos)
      << result.err;
  EXPECT_TRUE(TrainFiles::changes(before, files.tree()).empty());
}

// Rows that do not fit: a warning before the first step says so, then the step fails.
TEST(CudaErrors, RowsThatDoNotFitAreForetold) {
  UNFOLD_NEEDS_GPU();
  const TrainFiles files("cuda_rows");
  const ProgramResult result = files.run_train(
      "run", {"run.device=cuda", "train.rows=1", "train.row_length=200000", "train.val_every=0",
              "model.layers=4", "model.ffn=65536", "train.objective=lm"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  for (const char* words : {"it will run out of memory", "cuda:0 is out of memory",
                            "lower train.row_length", "(activations"}) {
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  }
  EXPECT_FALSE(std::filesystem::exists(files.path("run")));
}

}  // namespace
}  // namespace unfold::cli
