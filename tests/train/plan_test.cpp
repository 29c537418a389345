// The plan against what training really takes, and against figures worked out by hand.
#include "train/plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/run_checkpoint.h"

namespace unfold::train {
namespace {

using core::DType;
using core::MemoryUse;
using testing::run_training;
using testing::tiny_config;

// A model whose activations outweigh its weights, as they do in real trainings.
TrainerConfig small_config(const std::filesystem::path& folder) {
  TrainerConfig config = tiny_config(folder);
  config.model.width = 64;
  config.model.ffn = 160;
  config.model.layers = 3;
  config.train.row_length = 192;
  config.train.steps = 3;
  config.train.val_every = 3;
  return config;
}

// Records that fill their rows as full_rows does: an eighth of a row is question and answer.
void use_links(TrainerConfig& config) {
  const std::filesystem::path file =
      std::filesystem::path(config.run.dir).parent_path() / "records.jsonl";
  std::ofstream out(file, std::ios::binary);
  for (std::uint64_t i = 0; i < 12; ++i) {
    std::string context = testing::invented_text(200, i).substr(0, 138);
    std::string answer = testing::invented_text(40, i + 100).substr(0, 20);
    context.front() = answer.front() = 'a';
    out << nlohmann::json{{"context", context}, {"question", "q"}, {"answer", answer}} << "\n";
  }
  config.data.format = data::DataFormat::sft;
  config.data.train = config.data.val = {file.string()};
  config.train.objective = Objective::sft;
  config.gist.links = 5;
}

struct Variant {
  const char* name;
  void (*change)(TrainerConfig&);
};

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

class PlanAgainstTraining : public ::testing::TestWithParam<Variant> {};

TEST_P(PlanAgainstTraining, PeakWithinTenPercent) {
  const test::TempFolder folder;
  TrainerConfig config = small_config(folder.path());
  GetParam().change(config);
  const std::int64_t before = core::memory_stats({}).current;
  const auto planned = static_cast<double>(make_plan(config).memory.peak);
  EXPECT_EQ(core::memory_stats({}).current, before);
  const auto real = static_cast<double>(run_training(config).peak_bytes - before);
  EXPECT_NEAR(planned / real, 1.0, 0.1) << planned << " planned, " << real << " real";
}

INSTANTIATE_TEST_SUITE_P(
    Variants, PlanAgainstTraining,
    ::testing::Values(
        Variant{"cpt", [](TrainerConfig&) {}},
        Variant{"lm",
                [](TrainerConfig& config) {
                  config.train.objective = Objective::lm;
                  config.gist.chunks.clear();
                }},
        Variant{"bfloat16", [](TrainerConfig& config) { config.train.dtype = DType::bfloat16; }},
        Variant{
            "bfloat16_states",
            [](TrainerConfig& config) { config.train.optimizer.state_dtype = DType::bfloat16; }},
        Variant{"bfloat16_gradients",
                [](TrainerConfig& config) {
                  config.train.dtype = config.train.gradient_dtype = DType::bfloat16;
                }},
        Variant{"micro_rows", [](TrainerConfig& config) { config.train.micro_rows = 1; }},
        Variant{"activation_checkpointing",
                [](TrainerConfig& config) { config.train.activation_checkpointing = true; }},
        Variant{"untied", [](TrainerConfig& config) { config.model.tied_embeddings = false; }},
        Variant{"qwen2",
                [](TrainerConfig& config) {
                  config.model.architecture = models::Architecture::qwen2;
                  config.model.qkv_bias = true;
                }},
        Variant{"dropout", [](TrainerConfig& config) { config.model.dropout = 0.1; }},
        Variant{"two_levels",
                [](TrainerConfig& config) {
                  config.gist.chunks = {4, 3};
                }},
        Variant{"links", [](TrainerConfig& config) { use_links(config); }},
        Variant{"two_branch", [](TrainerConfig& config) { config.train.cpt.two_branch = true; }},
        Variant{"alignment",
                [](TrainerConfig& config) {
                  config.train.cpt.two_branch = true;
                  config.train.cpt.alignment = 1e-4;
                }},
        Variant{"everything",
                [](TrainerConfig& config) {
                  config.train.dtype = DType::bfloat16;
                  config.train.micro_rows = 2;
                  config.train.activation_checkpointing = true;
                  config.train.cpt.two_branch = true;
                  config.train.cpt.alignment = 1e-4;
                  config.model.tied_embeddings = false;
                }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Plan, PartsOfThePeakAddUp) {
  const test::TempFolder folder;
  const TrainerConfig config = small_config(folder.path());
  const Plan plan = make_plan(config);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < core::kMemoryUses; ++i) {
    EXPECT_LE(plan.memory.at_peak[i], plan.memory.most[i]) << i;
    sum += plan.memory.at_peak[i];
  }
  EXPECT_EQ(sum, plan.memory.peak);
  const auto most = [&](MemoryUse use) { return plan.memory.most[static_cast<std::size_t>(use)]; };
  const std::int64_t parameters = plan.parameters.total();
  EXPECT_EQ(parameters, models::count_parameters(config.model, config.gist.levels()));
  EXPECT_EQ(most(MemoryUse::parameters), 4 * parameters);
  EXPECT_EQ(most(MemoryUse::gradients), 4 * parameters);
  EXPECT_EQ(most(MemoryUse::optimizer), 8 * parameters);
}

// A GPU makes both normalised inputs of a layer and its activated rows again, rather than keep
// them.
TEST(Plan, KeepsLessOnAGpu) {
  const test::TempFolder folder;
  TrainerConfig config = small_config(folder.path());
  config.train.dtype = DType::bfloat16;
  config.model.layers = 6;
  const auto activations = [&](const char* device) {
    config.run.device = device;
    return make_plan(config).memory.most[static_cast<std::size_t>(MemoryUse::activations)];
  };
  const std::int64_t positions = config.train.rows * config.train.row_length;
  const std::int64_t again = 2 * positions * (2 * config.model.width + config.model.ffn);
  const std::int64_t saved = activations("cpu") - activations("cuda");
  EXPECT_GE(saved, (config.model.layers - 1) * again);
  EXPECT_LE(saved, (config.model.layers + 1) * again);
}

TEST(Plan, NothingStaysOnMeta) {
  const test::TempFolder folder;
  const TrainerConfig config = small_config(folder.path());
  const core::Device meta = {core::DeviceType::meta, 0};
  EXPECT_EQ(make_plan(config).memory.peak, make_plan(config).memory.peak);
  EXPECT_EQ(core::memory_stats(meta).current, 0);
}

// Two layers of width 4, one row of 6 raw tokens: everything small enough to count on paper.
TEST(Plan, ArithmeticByHand) {
  TrainerConfig config;
  config.model.vocab_size = 10;
  config.model.width = 4;
  config.model.layers = 2;
  config.model.heads = 2;
  config.model.kv_heads = 1;
  config.model.ffn = 5;
  config.gist.chunks.clear();
  config.train.objective = Objective::lm;
  config.train.rows = 3;
  config.train.micro_rows = 1;
  config.train.row_length = 6;
  const Plan plan = make_plan(config);
  // A layer: qkv 8 x 4, out 4 x 4, gate and up 10 x 4, down 4 x 5.
  EXPECT_EQ(plan.parameters.attention, 2 * (32 + 16));
  EXPECT_EQ(plan.parameters.mlp, 2 * (40 + 20));
  EXPECT_EQ(plan.parameters.norm, 4 * 5);
  EXPECT_EQ(plan.parameters.embedding, 40);
  EXPECT_EQ(plan.parameters.head, 0);
  EXPECT_EQ(plan.positions, 18);
  EXPECT_EQ(plan.raw_tokens, 18);
  EXPECT_EQ(plan.targets, 15);
  EXPECT_EQ(plan.visible_pairs, 21);
  EXPECT_EQ(plan.causal_pairs, 21);
  const double matmul = 2.0 * (18 * 2 * (32 + 16 + 40 + 20) + 15 * 10 * 4);
  const double scores = 2.0 * 3 * 21 * 2 * 2 * 2;  // rows, pairs, layers, heads, head width
  EXPECT_EQ(plan.forward.matmul, matmul);
  EXPECT_EQ(plan.backward.matmul, 2 * matmul);
  EXPECT_EQ(plan.forward.attention, 2 * scores);
  EXPECT_EQ(plan.backward.attention, 5 * scores);
  EXPECT_EQ(plan.recompute.total(), 0);
  config.train.activation_checkpointing = true;
  EXPECT_EQ(make_plan(config).recompute.matmul, 2.0 * 18 * 2 * (32 + 16 + 40 + 20));
  EXPECT_EQ(make_plan(config).recompute.attention, 2 * scores);
}

// The example of single-level visibility: 10 raw tokens and gists in chunks of 3 behind one sink.
TEST(Plan, VisiblePairsOfAGistRow) {
  TrainerConfig config;
  config.model.vocab_size = 10;
  config.gist.chunks = {3};
  config.gist.sinks = 1;
  config.train.rows = 1;
  config.train.row_length = 13;
  const Plan plan = make_plan(config);
  EXPECT_EQ(plan.raw_tokens, 10);
  // s a b c g1 d e f g2 h i j g3: rows of 1..5, then 6..9 of the second chunk, then g1 for c-a.
  EXPECT_EQ(plan.visible_pairs, 15 + (6 + 7 + 8 + 9) + (7 + 8 + 9 + 10));
  EXPECT_EQ(plan.causal_pairs, 13 * 14 / 2);
}

class PlanOfStates : public ::testing::TestWithParam<DType> {};

TEST_P(PlanOfStates, CheckpointOnDisk) {
  const test::TempFolder folder;
  TrainerConfig config = small_config(folder.path());
  config.model.vocab_size = 4000;
  config.train.optimizer.state_dtype = GetParam();
  run_training(config);
  std::int64_t bytes = 0;
  for (const char* name : {"model.h5", "trainer.h5"}) {
    bytes += static_cast<std::int64_t>(std::filesystem::file_size(
        std::filesystem::path(config.run.dir) / "checkpoints" / "step-3" / name));
  }
  const std::int64_t planned = make_plan(config).checkpoint_bytes;
  EXPECT_GE(bytes, planned);
  EXPECT_LT(static_cast<double>(bytes), 1.1 * static_cast<double>(planned));
}

INSTANTIATE_TEST_SUITE_P(StateDTypes, PlanOfStates,
                         ::testing::Values(DType::float32, DType::bfloat16),
                         [](const auto& test) { return std::string(core::name_of(test.param)); });

TEST(Plan, Bfloat16MomentsTakeHalf) {
  const test::TempFolder folder;
  TrainerConfig config = small_config(folder.path());
  config.train.dtype = DType::bfloat16;  // masters of their own
  const auto optimizer_bytes = [&] {
    return make_plan(config).memory.most[static_cast<std::size_t>(MemoryUse::optimizer)];
  };
  const std::int64_t parameters = make_plan(config).parameters.total();
  EXPECT_EQ(optimizer_bytes(), 12 * parameters);
  config.train.optimizer.state_dtype = DType::bfloat16;
  EXPECT_EQ(optimizer_bytes(), 8 * parameters);
}

// Insertion closes every document with a gist, so without a suffix all of it is prefix.
TEST(Plan, RowsWithoutTargetsAreAUserError) {
  const test::TempFolder folder;
  TrainerConfig config = small_config(folder.path());
  config.train.cpt.prefix_loss = false;
  EXPECT_EQ(test::user_error([&] { make_plan(config); }),
            "[plan] no token of a full row of 192 positions carries a loss: set cpt.prefix_loss: "
            "true, or raise train.row_length");
}

}  // namespace
}  // namespace unfold::train
