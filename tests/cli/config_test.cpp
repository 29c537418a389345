#include "cli/config/config.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "cli/config/schema.h"
#include "tests/cli/config_errors.h"

namespace unfold::cli {
namespace {

TEST(Config, ReadsEverySection) {
  const Config config = parse_config(R"(
run: {dir: runs/a, seed: 18446744073709551615}
model:
  architecture: qwen2
  width: 64
  heads: 4
  kv_heads: 2
  norm_eps: 1e-6
  qkv_bias: true
  rope: {theta: 5.0e+5, scaling: llama3, factor: 8}
gist: {chunks: [4, 4], sinks: 1, previous_chunks: 2, rule: count}
data:
  train: [a.h5, "b c.h5"]
  val: v.h5
  tokenizer: tok/tokenizer.json
train: {objective: cpt, steps: +5, rows: 6, micro_rows: 3, dtype: bfloat16}
optimizer: {lr: .5}
schedule: {kind: wsd, warmup: 1}
cpt: {two_branch: True, alignment: 1e-4}
checkpoint: {every: 0, keep: 2}
eval.tasks: [recall, passkey]
)",
                                     "a.yaml");
  EXPECT_EQ(config.run.dir, "runs/a");
  EXPECT_EQ(config.run.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(config.model.architecture, models::Architecture::qwen2);
  EXPECT_EQ(config.model.width, 64);
  EXPECT_EQ(config.model.layers, models::DecoderConfig{}.layers);
  EXPECT_DOUBLE_EQ(config.model.norm_eps, 1e-6);
  EXPECT_TRUE(config.model.qkv_bias);
  EXPECT_DOUBLE_EQ(config.model.rope.theta, 5e5);
  EXPECT_EQ(config.model.rope.scaling, models::RopeScaling::llama3);
  EXPECT_EQ(config.gist.chunks, (std::vector<std::int64_t>{4, 4}));
  EXPECT_EQ(config.gist.sinks, 1);
  EXPECT_EQ(config.gist.rule, gsa::InsertionRule::count);
  EXPECT_EQ(config.data.train, (std::vector<std::string>{"a.h5", "b c.h5"}));
  EXPECT_EQ(config.data.val, (std::vector<std::string>{"v.h5"}));
  EXPECT_EQ(config.train.steps, 5);
  EXPECT_EQ(config.train.micro_rows, 3);
  EXPECT_EQ(config.train.dtype, core::DType::bfloat16);
  EXPECT_DOUBLE_EQ(config.train.optimizer.lr, 0.5);
  EXPECT_EQ(config.train.schedule.kind, train::ScheduleKind::wsd);
  EXPECT_TRUE(config.train.cpt.two_branch);
  EXPECT_DOUBLE_EQ(config.train.cpt.alignment, 1e-4);
  EXPECT_EQ(config.checkpoint.every, 0);
  EXPECT_EQ(config.eval.tasks, (std::vector<std::string>{"recall", "passkey"}));
}

TEST(Config, OverridesApplyInOrder) {
  const Config config =
      parse_config("train: {steps: 3}", "a.yaml",
                   std::vector<std::string>{"train.steps=4", "train.steps=7", "gist.chunks=[4, 2]",
                                            "run.dir=runs/x=y", "data.train=a.h5"});
  EXPECT_EQ(config.train.steps, 7);
  EXPECT_EQ(config.gist.chunks, (std::vector<std::int64_t>{4, 2}));
  EXPECT_EQ(config.run.dir, "runs/x=y");
  EXPECT_EQ(config.data.train, (std::vector<std::string>{"a.h5"}));
}

TEST(Config, EmptyChunksMeanNoGists) {
  const Config config =
      parse_config("gist.chunks: []\ntrain.objective: lm\neval.methods: full", "a.yaml");
  EXPECT_TRUE(config.gist.chunks.empty());
  EXPECT_EQ(config.eval.methods, (std::vector<std::string>{"full"}));
}

TEST(Config, PrintedConfigReadsBackEqual) {
  Config config;
  config.run.dir =
      "dir with 'quotes', \"more\", # no comment:\n\ttab \\ and \u00fc\u4e2d\U0001F600";
  config.run.seed = std::numeric_limits<std::uint64_t>::max();
  config.data.train = {"~",    "",   "null", "[x]",      "*a",
                       "true", "12", "- a",  " padded ", "\u0085\ufeff"};
  config.data.tokenizer = "null";
  config.train.optimizer.lr = 0.1 + 0.2;
  config.train.optimizer.eps = 5e-324;
  config.model.rope.theta = 1.0e22;
  config.model.norm_eps = 1.0 / 3.0;
  config.gist.chunks = {8, 2, 3};
  config.train.dtype = core::DType::float64;
  const std::string text = to_yaml(config);
  const Config again = parse_config(text, "printed");
  EXPECT_EQ(differing_keys(config, again), std::vector<Difference>{}) << text;
  EXPECT_EQ(to_yaml(again), text);
}

TEST(Config, DifferingKeysTellBothValues) {
  Config left;
  Config right;
  EXPECT_TRUE(differing_keys(left, right).empty());
  right.train.steps = 400;
  right.model.rope.scaling = models::RopeScaling::yarn;
  right.data.val = {"v.h5"};
  const std::vector<Difference> expected = {{"model.rope.scaling", "none", "yarn"},
                                            {"data.val", "[]", "[\"v.h5\"]"},
                                            {"train.steps", "300", "400"}};
  EXPECT_EQ(differing_keys(left, right), expected);
}

TEST(Config, EveryKeyCanBeSetFromItsPrintedDefault) {
  const Config defaults;
  for (const Entry& entry : schema().entries()) {
    const std::string text = entry.key + ": " + to_text(entry.get(defaults)) + "\n";
    EXPECT_EQ(error_of(text), "no error") << text;
    EXPECT_FALSE(entry.help.empty()) << entry.key;
    EXPECT_FALSE(entry.type.empty()) << entry.key;
  }
}

TEST(Config, DefaultsAreInRange) {
  EXPECT_EQ(error_of(to_yaml(Config{})), "no error");
}

TEST(Config, ReferenceTellsEveryKey) {
  const std::string text = config_reference(ReferenceFormat::text);
  const std::string markdown = config_reference(ReferenceFormat::markdown);
  for (const Entry& entry : schema().entries()) {
    EXPECT_NE(text.find("\n  " + entry.key + " "), std::string::npos) << entry.key;
    EXPECT_NE(markdown.find("| `" + entry.key + "` | " + entry.type + " | `"), std::string::npos)
        << entry.key;
  }
  EXPECT_NE(markdown.find("| `gist.chunks` | list of integers | `[8]` | >= 1 and \\<= 1000000 |"),
            std::string::npos)
      << markdown;
}

TEST(Config, ReferenceNamesEverySectionKeysStandIn) {
  for (const Entry& entry : schema().entries()) {
    EXPECT_TRUE(schema().is_section(entry.key.substr(0, entry.key.rfind('.')))) << entry.key;
  }
}

class ConfigFile : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("unfold_config_{}_{}", test->name(), ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string load_error(const std::filesystem::path& file) {
    try {
      load_config(file);
    } catch (const core::UserError& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigFile, LoadsAndNamesTheFile) {
  const std::filesystem::path file = folder_ / "a.yaml";
  std::ofstream(file) << "train: {steps: 9}\n";
  EXPECT_EQ(load_config(file).train.steps, 9);
  std::ofstream(file) << "\n\ntrain: {steps: x}\n";
  EXPECT_EQ(load_error(file),
            "[config] " + file.string() + ":3: train.steps: expected an integer, found 'x'");
}

TEST_F(ConfigFile, MissingFile) {
  const std::string file = (folder_ / "none.yaml").string();
  EXPECT_EQ(load_error(file), "[config] " + file +
                                  ": cannot be read: No such file or directory: give an existing "
                                  "YAML file");
}

TEST_F(ConfigFile, FolderPointsAtTheConfigInside) {
  EXPECT_EQ(load_error(folder_),
            "[config] " + folder_.string() + ": is a folder: give a YAML file");
  std::ofstream(folder_ / "config.yaml") << "run: {seed: 1}\n";
  EXPECT_EQ(load_error(folder_), "[config] " + folder_.string() + ": is a folder: did you mean " +
                                     (folder_ / "config.yaml").string() + "?");
}

TEST_F(ConfigFile, HugeFileIsRefused) {
  const std::filesystem::path file = folder_ / "huge.yaml";
  std::ofstream(file) << "run: {dir: " << std::string(2 << 20, 'x') << "}\n";
  EXPECT_EQ(load_error(file), "[config] " + file.string() +
                                  ": larger than 1 MiB: this is not a config; give a YAML file");
}

}  // namespace
}  // namespace unfold::cli
