// unfold plan, run as a user would.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

constexpr const char* kConfig =
    "model: {vocab_size: 1000, width: 32, layers: 2, heads: 2, kv_heads: 1, ffn: 48}\n"
    "gist: {chunks: [4]}\n"
    "train: {rows: 4, micro_rows: 2, row_length: 128}\n";

TEST(PlanCommand, TextAndJsonTellTheSame) {
  const TestFolder folder("plan");
  const std::string file = folder.write("a.yaml", kConfig);
  const ProgramResult text = run_unfold("plan '" + file + "'");
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  for (const std::string word :
       {"parameters\n", "embedding", "output head", "tied", "memory", "peak", "backward",
        "visible pairs", "density", "micro-batches", "checkpoint on disk"}) {
    EXPECT_NE(text.out.find(word), std::string::npos) << word << "\n" << text.out;
  }
  const ProgramResult result = run_unfold("plan --format json '" + file + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  const auto plan = nlohmann::json::parse(result.out);
  // Rows: 1000 and one gist; a layer: 64 x 32, 32 x 32, 96 x 32, 32 x 48; norms: 5 x 32.
  EXPECT_EQ(plan["parameters"]["total"], 1001 * 32 + 2 * (2048 + 1024 + 3072 + 1536) + 5 * 32);
  EXPECT_EQ(plan["step"]["micro_batches"], 2);
  EXPECT_EQ(plan["step"]["positions"], 512);
  EXPECT_EQ(plan["attention"]["causal_pairs"], 128 * 129 / 2);
  EXPECT_LT(plan["attention"]["density"], 0.5);
  std::int64_t sum = 0;
  for (const auto& bytes : plan["memory_bytes"]["at_peak"]) sum += bytes.get<std::int64_t>();
  EXPECT_EQ(plan["memory_bytes"]["peak"], sum);
  EXPECT_NE(text.out.find(std::to_string(plan["parameters"]["total"].get<std::int64_t>())),
            std::string::npos);
}

TEST(PlanCommand, SetChangesThePlanAndNothingIsWritten) {
  const TestFolder folder("plan_set");
  const std::string file = folder.write("a.yaml", kConfig);
  const auto peak = [&](const std::string& more) {
    const ProgramResult result = run_unfold("plan --format json '" + file + "' " + more);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out)["memory_bytes"]["peak"].get<std::int64_t>();
  };
  const std::string run = (folder.path() / "run").string();
  EXPECT_LT(peak("--set train.micro_rows=1 --set run.dir='" + run + "'"), peak(""));
  EXPECT_GT(peak("--set train.micro_rows=4"), peak(""));
  EXPECT_LT(peak("--set train.activation_checkpointing=true"), peak(""));
  EXPECT_FALSE(std::filesystem::exists(run));
}

TEST(PlanCommand, TheVocabularyOfTheTokenizer) {
  const TestFolder folder("plan_vocabulary");
  const std::string file = folder.write("a.yaml", kConfig);
  const ProgramResult bytes =
      run_unfold("plan --format json --set model.vocab_size=0 '" + file + "'");
  ASSERT_EQ(bytes.code, 0) << bytes.err;
  EXPECT_LT(nlohmann::json::parse(bytes.out)["parameters"]["embedding"], 300 * 32);
  const std::string missing = (folder.path() / "tokenizer.json").string();
  const ProgramResult none = run_unfold("plan --set model.vocab_size=0 --set data.tokenizer='" +
                                        missing + "' '" + file + "'");
  EXPECT_EQ(none.code, 2);
  EXPECT_EQ(none.out, "");
  EXPECT_TRUE(none.err_is_one_line()) << none.err;
  EXPECT_EQ(none.err.rfind("[plan] model.vocab_size is 0, so it is the tokenizer's, which cannot "
                           "be read: [tokenizer] " +
                               missing,
                           0),
            0u)
      << none.err;
}

// A model that no machine holds is planned as fast as a small one.
TEST(PlanCommand, HugeModels) {
  const TestFolder folder("plan_huge");
  const std::string file = folder.write(
      "a.yaml",
      "model: {vocab_size: 128256, width: 8192, layers: 80, heads: 64, kv_heads: 8, ffn: 28672,"
      " tied_embeddings: false}\n"
      "train: {rows: 1, row_length: 16384, dtype: bfloat16, activation_checkpointing: true}\n");
  const ProgramResult result = run_unfold("plan --format json '" + file + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NEAR(nlohmann::json::parse(result.out)["parameters"]["total"].get<double>(), 70.55e9,
              0.05e9);
}

}  // namespace
}  // namespace unfold::cli
