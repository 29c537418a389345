// llama2.c checkpoints: layout, order of rows, and files that are none.
#include "models/formats/llama2c.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <numeric>

#include "models/parameter_table.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

using test::user_error;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

using Header = std::array<std::int32_t, 7>;
// Width 8, FFN 6, 2 layers, 2 heads, 1 key head, vocabulary 5, context 3.
constexpr Header kTiny = {8, 6, 2, 2, 1, 5, 3};
constexpr std::size_t kLayer = 8 + 64 + 32 + 32 + 64 + 8 + 3 * 48;
constexpr std::size_t kValues = 5 * 8 + 2 * kLayer + 8 + 3 * 4;

class Llama2cTest : public testing::Test {
 protected:
  // The header, then values that count up from 0.
  std::filesystem::path write(const Header& header, std::size_t values) {
    const std::filesystem::path path = folder_ / "model.bin";
    std::string bytes;
    for (const std::int32_t number : header) bytes += test::GgufBuilder::raw(number);
    for (std::size_t i = 0; i < values; ++i) bytes += test::GgufBuilder::raw(static_cast<float>(i));
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string error_of(const Header& header, std::size_t values) {
    const std::filesystem::path path = write(header, values);
    const std::string message = user_error([&] { open_llama2c_weights(path); });
    EXPECT_HAS(message, "[llama2.c] ");
    EXPECT_HAS(message, "model.bin: ");
    return message;
  }
  test::TempFolder folder_;
};

TEST_F(Llama2cTest, TensorsComeOutUnderTheNamesAndInTheOrderOfHuggingFace) {
  const auto source = open_llama2c_weights(write(kTiny, kValues));
  DecoderConfig wanted;
  wanted.vocab_size = 5;
  wanted.width = 8;
  wanted.layers = 2;
  wanted.heads = 2;
  wanted.kv_heads = 1;
  wanted.ffn = 6;
  wanted.max_positions = 3;
  EXPECT_TRUE(source->config() == wanted);
  EXPECT_EQ(source->describe(), "llama2.c checkpoint, 20 tensors, F32");
  const auto first = [&](const std::string& name) {
    return source->read(name, core::DType::float32).to_vector<float>().front();
  };
  std::size_t parts = 0;
  for (const ParameterSpec& spec : parameter_table(wanted, 0)) {
    if (!spec.tied_to.empty()) continue;
    for (const ParameterPart& part : spec.parts) {
      const core::Tensor tensor = source->read(part.hugging_face_name, core::DType::float32);
      ASSERT_TRUE(tensor.defined()) << part.hugging_face_name;
      EXPECT_EQ(tensor.dim(0), part.rows) << part.hugging_face_name;
      ++parts;
    }
  }
  EXPECT_EQ(parts, 20U);
  EXPECT_EQ(first("model.embed_tokens.weight"), 0);
  EXPECT_EQ(first("model.layers.0.input_layernorm.weight"), 40);
  EXPECT_EQ(first("model.layers.1.input_layernorm.weight"), 48);
  EXPECT_EQ(first("model.layers.1.self_attn.q_proj.weight"), 56 + 64);
  EXPECT_EQ(first("model.norm.weight"), 40 + 2 * kLayer);
  EXPECT_FALSE(source->read("lm_head.weight", core::DType::float32).defined());
  EXPECT_EQ(source->read("model.layers.0.self_attn.k_proj.weight", core::DType::float32)
                .slice(1, 0, 1)
                .contiguous()
                .to_vector<float>(),
            (std::vector<float>{184, 200, 192, 208}));  // rows 0, 2, 1, 3 of the file
}

TEST_F(Llama2cTest, ANegativeVocabularyHasAHeadOfItsOwn) {
  Header header = kTiny;
  header[5] = -5;
  const auto source = open_llama2c_weights(write(header, kValues + 40));
  EXPECT_EQ(source->config().vocab_size, 5);
  EXPECT_FALSE(source->config().tied_embeddings);
  EXPECT_EQ(source->read("lm_head.weight", core::DType::float32).to_vector<float>().front(),
            static_cast<float>(kValues));
}

TEST_F(Llama2cTest, WhatIsNoCheckpointIsNamed) {
  EXPECT_HAS(error_of(kTiny, kValues - 1), "shorter than its header says");
  EXPECT_HAS(error_of(kTiny, kValues + 1), "the header says");
  EXPECT_HAS(error_of(kTiny, 0), "too short");
  for (std::size_t i = 0; i < kTiny.size(); ++i) {
    for (const std::int32_t value : {0, -1, 2147483647, -2147483647 - 1, 1 << 24}) {
      if (i == 5 && value == -1) continue;
      Header header = kTiny;
      header[i] = value;
      error_of(header, kValues);
    }
  }
  Header header = kTiny;
  header[3] = 3;
  EXPECT_HAS(error_of(header, kValues), "3 heads in a width of 8");
}

}  // namespace
}  // namespace unfold::models
