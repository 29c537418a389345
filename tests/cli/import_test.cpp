// unfold import, export and inspect logits, as a user runs them.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/cli/run_program.h"
#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ImportCommand : public testing::Test {
 protected:
  ImportCommand() : folder_("import") { use_one_thread(); }

  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
  static std::string golden(const std::string& name) {
    return std::string(UNFOLD_SOURCE_DIR) + "/tests/golden/hugging_face/" + name;
  }
  // A Hugging Face folder with a vocabulary of 300, of which the tokenizer (bytes) fills 257.
  void make_source() {
    const std::string run = file("bytes");
    const std::string config = folder_.write(
        "bytes.yaml",
        fmt::format("run: {{dir: '{}'}}\nmodel: {{vocab_size: 300, width: 16, layers: 2, "
                    "heads: 2, kv_heads: 1, ffn: 32}}\ngist: {{chunks: []}}\n"
                    "data: {{train: ['{}']}}\neval: {{methods: [full]}}\n"
                    "train: {{objective: lm, steps: 1, rows: 1, row_length: 64}}\n",
                    run, file("shards")));
    folder_.write("text.txt", std::string(400, 'a') + " and so on");
    call(fmt::format("data tokenize '{}' --out '{}'", file("text.txt"), file("shards")));
    call(fmt::format("train '{}'", config));
    call(fmt::format("export '{}' --hf '{}'", run, file("source")));
  }
  static ProgramResult call(const std::string& arguments, int code = 0) {
    ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, code) << arguments << "\n" << result.err;
    if (code != 0) {
      EXPECT_TRUE(result.err_is_one_line()) << result.err;
    }
    return result;
  }
  void expect_no_traces(const std::string& name) const {
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename().string().find(name), std::string::npos) << entry.path();
    }
  }

  TestFolder folder_;
};

TEST_F(ImportCommand, ListShowsTensors) {
  const std::string out = call(fmt::format("import --list '{}'", golden("llama_bfloat16"))).out;
  EXPECT_NE(out.find("Hugging Face folder, 21 tensors in 2 files, BF16"), std::string::npos) << out;
  EXPECT_NE(out.find("model.layers.1.self_attn.q_proj.weight          (16, 16)  BF16"),
            std::string::npos)
      << out;
}

TEST_F(ImportCommand, ARunOfAnImportedModelIsARun) {
  make_source();
  const std::string run = file("run");
  call(fmt::format("import '{}' --out '{}' --chunks 4,2", file("source"), run));
  EXPECT_TRUE(fs::exists(run + "/tokenizer.json"));
  call(fmt::format("config show '{}/config.yaml'", run));
  call(fmt::format("generate '{}' --prompt 'and so' --max-tokens 3", run));
  // Trained on from its own config, in another folder.
  call(
      fmt::format("train '{}/config.yaml' --set run.dir='{}' --set 'data.train=[{}]' "
                  "--set train.steps=1 --set train.rows=1 --set train.row_length=64",
                  run, file("cpt"), file("shards")));

  // The gists stay with the model when it goes out, and come in again bit by bit.
  call(fmt::format("export '{}' --hf '{}'", run, file("hf")));
  call(fmt::format("import '{}' --out '{}'", file("hf"), file("again")));
  const std::string model = "/checkpoints/step-0/model.h5";
  EXPECT_EQ(slurp(file("again") + model), slurp(run + model));
  EXPECT_EQ(slurp(file("again") + "/tokenizer.json"), slurp(run + "/tokenizer.json"));
  const Json tokenizer = Json::parse(slurp(file("hf") + "/tokenizer.json"));
  const Json& last = tokenizer["added_tokens"].back();
  EXPECT_EQ(last["content"], "<|gist_1|>");
  EXPECT_EQ(last["id"], 301);
  EXPECT_EQ(tokenizer["model"]["vocab"]["<|gist_0|>"], 300);
  const Json generation = Json::parse(slurp(file("hf") + "/generation_config.json"));
  EXPECT_EQ(generation["suppress_tokens"], Json({300, 301}));
  EXPECT_EQ(Json::parse(slurp(file("hf") + "/config.json"))["vocab_size"], 302);
  const std::string error =
      call(fmt::format("import '{}' --out '{}' --chunks 4", file("hf"), file("other")), 2).err;
  EXPECT_NE(error.find("gists of 2 levels, asked for are 1"), std::string::npos) << error;
  expect_no_traces("other");
}

TEST_F(ImportCommand, LogitsOfARunAreThoseOfItsExport) {
  make_source();
  call(fmt::format("import '{}' --out '{}'", file("source"), file("run")));
  const std::string ids = folder_.write("ids.txt", "1 2 3\n250 4 5\n");
  const auto logits = [&](const std::string& run) {
    return call(fmt::format("inspect logits '{}' --ids '{}' --top 3 --positions 0,5 --format json",
                            file(run), ids))
        .out;
  };
  EXPECT_EQ(logits("run"), logits("bytes"));
  const Json json = Json::parse(logits("run"));
  ASSERT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][1]["position"], 5);
  EXPECT_EQ(json["rows"][1]["logits"].size(), 16u);
  ASSERT_EQ(json["rows"][1]["top_ids"].size(), 3u);
  EXPECT_GE(json["rows"][1]["top_logits"][0], json["rows"][1]["top_logits"][1]);
  EXPECT_NEAR(json["nll"].get<double>(), std::log(300.0), 1.0);
  const auto refused = [&](const std::string& arguments, const std::string& part) {
    const std::string error = call("inspect logits '" + file("run") + "' " + arguments, 2).err;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  refused(fmt::format("--ids '{}' --positions 6", ids), "6 is none of the 6 tokens");
  refused(fmt::format("--ids '{}'", folder_.write("bad.txt", "1 x")), "entry 1 is no token id");
  refused(fmt::format("--ids '{}'", folder_.write("big.txt", "300")), "entry 0 is no token id");
  refused(fmt::format("--ids '{}'", folder_.write("none.txt", " \n")), "0 ids");
}

TEST_F(ImportCommand, WhatFailsLeavesNothing) {
  const auto refused = [&](const std::string& arguments, const std::string& part) {
    const std::string error = call("import " + arguments, 2).err;
    EXPECT_NE(error.find(part), std::string::npos) << error;
    expect_no_traces("out");
  };
  const std::string out = fmt::format("--out '{}'", file("out/deep"));
  refused(fmt::format("'{}'", golden("qwen2")), "--out RUN");
  refused(fmt::format("'{}' {}", file("missing"), out), "no such file or folder");
  refused(fmt::format("'{}' {}", golden("qwen2"), out), "tokenizer.json: missing");
  refused(fmt::format("'{}' {} --chunks 0", golden("qwen2"), out), "chunk");
  make_source();
  const std::string weights = slurp(file("source") + "/model.safetensors");
  folder_.write("source/model.safetensors", weights.substr(0, weights.size() - 4));
  refused(fmt::format("'{}' {}", file("source"), out), "model.safetensors");
  folder_.write("source/model.safetensors", weights);
  fs::create_directories(file("taken"));
  refused(fmt::format("'{}' --out '{}'", file("source"), file("taken")), "exists already");
  const std::string error =
      call(fmt::format("export '{}' --hf '{}'", file("bytes"), file("taken")), 2).err;
  EXPECT_NE(error.find("exists already"), std::string::npos) << error;
  EXPECT_TRUE(fs::is_empty(file("taken")));
}

}  // namespace
}  // namespace unfold::cli
