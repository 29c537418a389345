// unfold import of GGUF files and llama2.c checkpoints, as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/run_program.h"
#include "tests/support/gguf_builder.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using test::GgufBuilder;

class ImportGguf : public testing::Test {
 protected:
  ImportGguf() : folder_("import_gguf") { ::setenv("OMP_NUM_THREADS", "1", 1); }

  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
  static std::string corpus(const std::string& name) {
    return std::string(UNFOLD_SOURCE_DIR) + "/tests/fuzz/corpus/gguf/" + name;
  }
  static ProgramResult call(const std::string& arguments, int code = 0) {
    ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, code) << arguments << "\n" << result.err;
    return result;
  }
  TestFolder folder_;
};

TEST_F(ImportGguf, MakesARunWithTokenizerAndChatTemplate) {
  for (const char* name : {"llama.gguf", "gpt2.gguf"}) {
    const std::string run = file(std::string(name) + ".run");
    call(fmt::format("import '{}' --out '{}'", corpus(name), run));
    EXPECT_TRUE(fs::exists(fs::path(run) / "config.yaml"));
    EXPECT_TRUE(fs::exists(fs::path(run) / "tokenizer.json"));
    EXPECT_TRUE(fs::exists(fs::path(run) / "checkpoints" / "step-0"));
    std::ifstream in(fs::path(run) / "chat_template.txt");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "{{ messages }}");
    const std::string ids = folder_.write("ids.txt", "3 4 5 6");
    const ProgramResult logits =
        call(fmt::format("inspect logits '{}' --ids '{}' --positions 3 --format json", run, ids));
    EXPECT_TRUE(nlohmann::json::parse(logits.out)["nll"].is_number()) << logits.out;
  }
}

TEST_F(ImportGguf, ListsWhatIsInTheFile) {
  const ProgramResult list = call(fmt::format("import --list '{}'", corpus("llama.gguf")));
  EXPECT_NE(list.out.find("GGUF file, 12 tensors, mostly F32"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("blk.0.ffn_down.weight     (8, 32)   Q4_0"), std::string::npos)
      << list.out;
}

TEST_F(ImportGguf, ACheckpointOfLlama2cTakesTheTokenizerBesideIt) {
  std::string model;
  for (const std::int32_t number : {8, 6, 1, 2, 1, 5, 3}) model += GgufBuilder::raw(number);
  const std::size_t values = 5 * 8 + (8 + 64 + 32 + 32 + 64 + 8 + 3 * 48) + 8 + 3 * 4;
  for (std::size_t i = 0; i < values; ++i) model += GgufBuilder::raw(0.01F);
  const std::string path = folder_.write("model.bin", model);
  const std::string import = fmt::format("import '{}' --out '{}'", path, file("run"));
  const ProgramResult alone = call(import, 2);
  EXPECT_TRUE(alone.err_is_one_line()) << alone.err;
  EXPECT_NE(alone.err.find("tok5.bin"), std::string::npos) << alone.err;
  EXPECT_FALSE(fs::exists(file("run")));
  std::string tokenizer = GgufBuilder::raw(std::int32_t{5});
  for (const std::string token : {"<unk>", "\n<s>\n", "\n</s>\n", "a", " "}) {
    tokenizer +=
        GgufBuilder::raw(-1.0F) + GgufBuilder::raw(static_cast<std::int32_t>(token.size())) + token;
  }
  folder_.write("tok5.bin", tokenizer);
  call(import);
  EXPECT_TRUE(fs::exists(fs::path(file("run")) / "tokenizer.json"));
}

TEST_F(ImportGguf, DamagedFilesEndInOneLine) {
  std::ifstream in(corpus("llama.gguf"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (const std::size_t size : {std::size_t{4}, std::size_t{500}, whole.size() - 100}) {
    const std::string cut = folder_.write("cut.gguf", whole.substr(0, size));
    const ProgramResult result = call(fmt::format("import '{}' --out '{}'", cut, file("cut")), 2);
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    EXPECT_NE(result.err.find("cut.gguf"), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(file("cut")));
  }
}

}  // namespace
}  // namespace unfold::cli
