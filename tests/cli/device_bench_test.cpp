// unfold bench train, attention, decode and gpu, on the CPU with tiny sizes; and on a GPU where
// there is one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "core/device.h"
#include "tests/cli/run_program.h"
#include "tests/support/gpu.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::json;

constexpr const char* kConfig =
    "model: {vocab_size: 100, width: 32, layers: 2, heads: 2, kv_heads: 1, ffn: 48}\n"
    "gist: {chunks: [4, 2], sinks: 2}\n"
    "train: {rows: 4, micro_rows: 2, row_length: 64}\n";

Json run_json(const std::string& arguments) {
  ::setenv("OMP_NUM_THREADS", "1", 1);  // threads that wait for each other on a busy machine
  const ProgramResult result = run_unfold(arguments + " --format json");
  EXPECT_EQ(result.code, 0) << arguments << "\n" << result.err;
  return result.code == 0 ? Json::parse(result.out) : Json();
}

TEST(BenchTrain, TheStepAndItsMemory) {
  const TestFolder folder("bench_train");
  const std::string file = folder.write("a.yaml", kConfig);
  const std::string run = (folder.path() / "run").string();
  for (const std::string objective : {"lm", "cpt", "sft"}) {
    SCOPED_TRACE(objective);
    std::string sets =
        fmt::format("'{}' --set train.objective={} --set run.dir='{}'", file, objective, run);
    if (objective == "sft") sets += " --set data.format=sft";
    const Json json = run_json("bench train " + sets + " --steps 3");
    ASSERT_EQ(json["train"]["rows"].size(), 1u);
    const Json row = json["train"]["rows"][0];
    EXPECT_EQ(row["objective"], objective);
    for (const char* key : {"ms", "positions_per_second", "tokens_per_second", "tflops",
                            "mfu_percent", "light_percent", "peak_gib", "planned_gib"}) {
      EXPECT_GT(row[key].get<double>(), 0) << key;
    }
    EXPECT_TRUE(row["mfu_datasheet_percent"].is_null());
    EXPECT_NEAR(row["planned_off_percent"].get<double>(), 0, 2);
    const double ratio =
        row["tokens_per_second"].get<double>() / row["positions_per_second"].get<double>();
    EXPECT_NEAR(ratio, objective == "lm" ? 1 : 0.75, objective == "lm" ? 1e-9 : 0.15);
    EXPECT_FALSE(json.contains("kernels"));
  }
  EXPECT_FALSE(std::filesystem::exists(run));
  const ProgramResult text = run_unfold("bench train '" + file + "' --steps 1");
  EXPECT_NE(text.out.find("training step on cpu: "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("4 rows of 64 in 2 micro-batches"), std::string::npos) << text.out;
}

TEST(BenchTrain, Profile) {
  const TestFolder folder("bench_train_profile");
  const std::string file = folder.write("a.yaml", kConfig);
  const Json json = run_json("bench train '" + file + "' --steps 1 --profile");
  double percent = 0;
  double products = 0;  // calls a step: those of the forward pass are fused with what follows them
  for (const Json& row : json["kernels"]["rows"]) {
    percent += row["percent"].get<double>();
    if (row["kernel"] != "matmul" && row["kernel"] != "linear") continue;
    products += row["calls"].get<double>();
    EXPECT_NE(row["purpose"], "");
    EXPECT_GT(row["gb_per_second"].get<double>(), 0);
  }
  EXPECT_GT(products, 2 * 2 * 4 * 3);  // layers, micro-batches, products of a layer, passes
  EXPECT_NEAR(percent, 100, 1e-6);
}

TEST(BenchAttention, GistsBesideCausal) {
  const Json json = run_json(
      "bench attention --quick --device cpu --lengths 64,128 --positions 128 --heads 4 --kv-heads "
      "2 "
      "--width 16 --chunk 8");
  const Json rows = json["attention"]["rows"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0]["attention"], "causal");
  EXPECT_EQ(rows[1]["attention"], "gist 8");
  EXPECT_EQ(rows[0]["rows"], 2);
  EXPECT_EQ(rows[2]["rows"], 1);
  EXPECT_DOUBLE_EQ(rows[0]["keys_per_query"].get<double>(), 32.5);
  EXPECT_LT(rows[3]["keys_per_query"].get<double>(), rows[2]["keys_per_query"].get<double>());
  for (const Json& row : rows) {
    for (const char* key : {"forward_ms", "forward_tflops", "backward_ms", "backward_tflops",
                            "both_ms", "both_tflops", "speedup"}) {
      EXPECT_GT(row[key].get<double>(), 0) << key;
    }
  }
}

TEST(BenchDecode, EveryMethod) {
  const TestFolder folder("bench_decode");
  const std::string file = folder.write("a.yaml", kConfig);
  const Json json =
      run_json("bench decode '" + file +
               "' --context 40,64 --batch 2 --tokens 3 --ratio 4 --methods "
               "full,gist_only,gsa,h_gsa,mean_pool,random,streaming,snapkv,h2o,quest");
  const Json rows = json["decode"]["rows"];
  ASSERT_EQ(rows.size(), 20u);
  for (const Json& row : rows) {
    for (const char* key :
         {"prefill_ms", "ms_per_token", "tokens_per_second", "keys_per_query", "cache_mib"}) {
      EXPECT_GT(row[key].get<double>(), 0) << row["method"] << " " << key;
    }
    EXPECT_EQ(row["batch"], 2);
  }
  EXPECT_EQ(rows[0]["context"], 40);
  EXPECT_EQ(rows[10]["method"], "full");
  EXPECT_LT(rows[12]["keys_per_query"].get<double>(), rows[10]["keys_per_query"].get<double>());
}

TEST(BenchGpu, RooflineAndOpsOfAnyDevice) {
  const TestFolder folder("bench_gpu");
  const std::string file = folder.write("a.yaml", kConfig);
  const Json json = run_json("bench gpu --device cpu --quick --config '" + file + "'");
  ASSERT_EQ(json["roofline"]["rows"].size(), 3u);
  for (const Json& row : json["roofline"]["rows"]) EXPECT_GT(row["measured"].get<double>(), 0);
  std::string names;
  for (const Json& row : json["ops"]["rows"]) {
    names += row["op"].get<std::string>() + "\n";
    EXPECT_GT(row["ms"].get<double>(), 0) << row["op"];
    EXPECT_GT(row["gb_per_second"].get<double>(), 0) << row["op"];
    EXPECT_GT(row["roofline_percent"].get<double>(), 0) << row["op"];
  }
  for (const char* op : {"copy", "rms_norm_backward", "swiglu", "cross_entropy", "adamw",
                         "matmul head dw", "attention_backward causal", "attention gist 4"}) {
    EXPECT_NE(names.find(std::string(op) + "\n"), std::string::npos) << op;
  }
}

TEST(DeviceBenches, UserErrors) {
  const TestFolder folder("device_bench_errors");
  const std::string file = "'" + folder.write("a.yaml", kConfig) + "'";
  const std::string plain =
      "'" +
      folder.write("plain.yaml",
                   "{gist: {chunks: []}, train: {objective: lm}, eval: {methods: [full]}}\n") +
      "'";
  for (const auto& [arguments, words] : std::vector<std::pair<std::string, std::string>>{
           {"train " + plain, "model.vocab_size"},
           {"train " + file + " --steps 0", "--steps 0"},
           {"train " + file + " --set run.device=cuda:99", "cuda:99 cannot be used"},
           {"attention --device cpu --lengths 1", "--lengths 1"},
           {"attention --device cpu --heads 3 --kv-heads 2", "--kv-heads 2"},
           {"attention --device gpu", "unknown device"},
           {"decode " + plain, "model.vocab_size"},
           {"decode " + plain + " --set model.vocab_size=50 --methods gsa", "gist.chunks"},
           {"decode " + file + " --methods fastest", "unknown method"},
           {"decode " + file + " --context 0", "--context 0"},
           {"decode " + file + " --batch 0", "--batch 0"},
           {"decode " + file + " --ratio 0.5", "--ratio 0.5"},
           {"gpu --device cuda:99", "cuda:99 cannot be used"},
           {"gpu --device cpu --config " + plain, "model.vocab_size"}}) {
    const ProgramResult result = run_unfold("bench " + arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  }
}

TEST(DeviceBenches, OnCuda) {
  UNFOLD_NEEDS_GPU();
  const TestFolder folder("bench_cuda");
  const std::string file = folder.write("a.yaml", kConfig);
  const Json train = run_json("bench train '" + file +
                              "' --set run.device=cuda --set train.dtype=bfloat16 --profile");
  EXPECT_GT(train["train"]["rows"][0]["mfu_percent"].get<double>(), 0);
  EXPECT_GT(train["train"]["rows"][0]["reserved_gib"].get<double>(), 0);
  EXPECT_FALSE(train["kernels"]["rows"].empty());
  const Json decode =
      run_json("bench decode '" + file + "' --set run.device=cuda --context 64 --methods full,gsa");
  EXPECT_EQ(decode["decode"]["rows"].size(), 2u);
  const Json attention =
      run_json("bench attention --quick --device cuda --lengths 256 --positions 512");
  EXPECT_EQ(attention["attention"]["rows"].size(), 2u);
  const Json gpu = run_json("bench gpu --quick --config '" + file + "'");
  EXPECT_FALSE(gpu["ops"]["rows"].empty());
}

}  // namespace
}  // namespace unfold::cli
