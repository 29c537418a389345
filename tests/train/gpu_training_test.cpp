// Whole runs of train() on a GPU: the same bits twice, also when resumed, and the losses of the
// CPU. Heads are 64 wide, so that bfloat16 takes the tensor-core attention.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "models/formats/checkpoint_folder.h"
#include "tests/support/gpu.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSteps = 50;

class GpuTraining : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    UNFOLD_NEEDS_GPU();
    base_ = testing::tiny_config(folder_.path());
    base_.model.width = 128;
    base_.model.heads = 2;
    base_.model.kv_heads = 1;
    base_.model.ffn = 192;
    base_.train.steps = kSteps;
    base_.train.row_length = 96;
    base_.train.val_every = kSteps;
    base_.checkpoint.every = kSteps / 2;
    change(GetParam(), base_);
  }

  // Every objective, and what takes kernels of its own.
  void change(const std::string& variant, TrainerConfig& config) const {
    if (variant == "lm") config.train.objective = Objective::lm;
    if (variant == "sft") {
      testing::use_records(config, folder_.path());
      config.train.objective = Objective::sft;
      config.gist.chunks = {4, 2};
      config.train.routing_weight = 0.5;
      config.train.budget_anneal = 0.5;
    }
    if (variant == "links") {
      testing::use_links(config, folder_.path());
      config.train.routing_weight = 0.5;
      config.train.budget_anneal = 0.5;
    }
    if (variant == "two_branches") {
      config.gist.chunks = {4, 2};
      config.train.cpt.two_branch = true;
      config.train.cpt.alignment = 1e-2;
    }
    if (variant == "bfloat16_gradients") config.train.gradient_dtype = core::DType::bfloat16;
    if (variant == "dropout_and_checkpointing") {
      config.model.dropout = 0.1;
      config.train.micro_rows = 2;
      config.train.activation_checkpointing = true;
    }
  }

  TrainerConfig configured(const std::string& name, core::DType dtype,
                           const std::string& device = "cuda") const {
    TrainerConfig config = base_;
    config.run.dir = (folder_ / name).string();
    config.run.device = device;
    config.train.dtype = dtype;
    return config;
  }
  static std::vector<double> losses(const TrainerConfig& config) {
    testing::run_training(config);
    return testing::metric(config.run.dir, "loss");
  }
  static void expect_same_bits(const fs::path& left, const fs::path& right) {
    EXPECT_EQ(testing::timeless_metrics(left), testing::timeless_metrics(right));
    EXPECT_EQ(testing::read_tree(models::checkpoint_path(left, kSteps)),
              testing::read_tree(models::checkpoint_path(right, kSteps)));
  }

  test::TempFolder folder_;
  TrainerConfig base_;
};

TEST_P(GpuTraining, FiftyStepsHaveTheSameBitsTwiceAndAlsoWhenResumed) {
  const TrainerConfig whole = configured("whole", core::DType::bfloat16);
  const TrainerConfig again = configured("again", core::DType::bfloat16);
  const std::vector<double> falling = losses(whole);
  EXPECT_LT(falling.back(), falling.front() - 0.1);
  testing::run_training(again);
  expect_same_bits(whole.run.dir, again.run.dir);
  // As if it had been killed behind its first checkpoint.
  const TrainerConfig rest = configured("rest", core::DType::bfloat16);
  fs::copy(whole.run.dir, rest.run.dir, fs::copy_options::recursive);
  fs::remove_all(models::checkpoint_path(rest.run.dir, kSteps));
  testing::run_training(rest, true);
  expect_same_bits(whole.run.dir, rest.run.dir);
}

TEST_P(GpuTraining, Float32LossesAreThoseOfTheCpu) {
  const std::vector<double> expected = losses(configured("cpu", core::DType::float32, "cpu"));
  const std::vector<double> actual = losses(configured("gpu", core::DType::float32));
  ASSERT_EQ(actual.size(), expected.size());
  // Which chunks are unfolded jumps where two scores nearly tie, so sums in another order show.
  const std::string variant = GetParam();
  const double allowed = variant == "sft" || variant == "links" ? 3e-3 : 1e-4;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], allowed * expected[i]) << "step " << i + 1;
  }
}

// In every visibility that the objective trains: training on records never shows full attention.
TEST_P(GpuTraining, Bfloat16EndsNearFloat32) {
  const std::vector<ValidationLoss> exact =
      testing::run_training(configured("float32", core::DType::float32)).validation;
  const std::vector<ValidationLoss> low =
      testing::run_training(configured("bfloat16", core::DType::bfloat16)).validation;
  ASSERT_EQ(low.size(), exact.size());
  int compared = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_EQ(low[i].visibility, exact[i].visibility);
    if (base_.train.objective == Objective::sft && exact[i].visibility == "full") continue;
    EXPECT_NEAR(low[i].loss, exact[i].loss, 0.02 * exact[i].loss) << exact[i].visibility;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

INSTANTIATE_TEST_SUITE_P(Objectives, GpuTraining,
                         ::testing::Values("lm", "cpt", "sft", "links", "two_branches",
                                           "dropout_and_checkpointing", "bfloat16_gradients"),
                         [](const auto& variant) { return std::string(variant.param); });

}  // namespace
}  // namespace unfold::train
