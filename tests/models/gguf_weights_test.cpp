// Weights out of GGUF files: the config, names and order of Hugging Face, and what is refused.
#include "models/formats/gguf_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <numeric>

#include "models/formats/rope_factors.h"
#include "models/parameter_table.h"
#include "models/rope_table.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

using test::GgufBuilder;
using test::user_error;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// Width 8, 2 heads of 4, 1 key head, FFN 6, one layer, vocabulary 5. Value i of the
// n-th tensor is 100 n + i.
class GgufWeightsTest : public testing::Test {
 protected:
  struct Options {
    std::string architecture = "llama";
    bool tied = true;
    bool bias = false;
    std::string leave_out = {};                   // a key or a tensor
    std::function<void(GgufBuilder&)> more = {};  // added at the end
  };

  std::filesystem::path write(const Options& options) {
    GgufBuilder file;
    const auto key = [&](const std::string& name) { return options.architecture + "." + name; };
    const auto integer = [&](const std::string& name, std::uint32_t value) {
      if (name != options.leave_out) file.integer(key(name), value);
    };
    file.text("general.architecture", options.architecture);
    integer("embedding_length", 8);
    integer("context_length", 128);
    integer("block_count", 1);
    integer("attention.head_count", 2);
    integer("attention.head_count_kv", 1);
    integer("feed_forward_length", 6);
    if (options.leave_out != "eps") file.number(key("attention.layer_norm_rms_epsilon"), 1e-6F);
    file.number(key("rope.freq_base"), 5e5F);
    int count = 0;
    const auto tensor = [&](const std::string& name, const std::vector<std::uint64_t>& extents) {
      ++count;
      if (name == options.leave_out) return;
      std::uint64_t size = 1;
      for (const std::uint64_t extent : extents) size *= extent;
      std::vector<float> values(size);
      std::iota(values.begin(), values.end(), 100.0F * static_cast<float>(count));
      file.floats(name, extents, values);
    };
    tensor("token_embd.weight", {8, 5});
    tensor("blk.0.attn_norm.weight", {8});
    tensor("blk.0.attn_q.weight", {8, 8});
    tensor("blk.0.attn_k.weight", {8, 4});
    tensor("blk.0.attn_v.weight", {8, 4});
    tensor("blk.0.attn_output.weight", {8, 8});
    tensor("blk.0.ffn_norm.weight", {8});
    tensor("blk.0.ffn_gate.weight", {8, 6});
    tensor("blk.0.ffn_up.weight", {8, 6});
    tensor("blk.0.ffn_down.weight", {6, 8});
    tensor("output_norm.weight", {8});
    if (!options.tied) tensor("output.weight", {8, 5});
    if (options.bias) {
      tensor("blk.0.attn_q.bias", {8});
      tensor("blk.0.attn_k.bias", {4});
      tensor("blk.0.attn_v.bias", {4});
    }
    if (options.more) options.more(file);
    const std::filesystem::path path = folder_ / "model.gguf";
    std::ofstream(path, std::ios::binary) << file.build();
    return path;
  }
  std::unique_ptr<WeightSource> open(const Options& options) {
    return open_gguf_weights(write(options));
  }
  std::string error_of(const Options& options) {
    const std::filesystem::path path = write(options);
    const std::string message = user_error([&] { open_gguf_weights(path); });
    EXPECT_HAS(message, "model.gguf");
    return message;
  }
  std::string error_with(const std::function<void(GgufBuilder&)>& more) {
    return error_of({.more = more});
  }

  test::TempFolder folder_;
};

std::vector<float> first_of_rows(const core::Tensor& tensor) {
  return tensor.slice(1, 0, 1).contiguous().to_vector<float>();
}

TEST_F(GgufWeightsTest, LlamaComesOutUnderTheNamesAndInTheOrderOfHuggingFace) {
  const auto source = open({});
  DecoderConfig wanted;
  wanted.vocab_size = 5;
  wanted.width = 8;
  wanted.layers = 1;
  wanted.heads = 2;
  wanted.kv_heads = 1;
  wanted.ffn = 6;
  wanted.max_positions = 128;
  wanted.norm_eps = 1e-6;
  wanted.rope.theta = 500000;
  wanted.tied_embeddings = true;
  EXPECT_TRUE(source->config() == wanted);
  EXPECT_EQ(source->tensors().size(), 11U);
  EXPECT_EQ(source->tensors()[2].name, "blk.0.attn_q.weight");
  EXPECT_EQ(source->tensors()[3].shape, (core::Shape{4, 8}));
  EXPECT_EQ(source->tensors()[3].type, "F32");
  EXPECT_EQ(source->tensors()[3].bytes, 128);
  EXPECT_EQ(source->describe(), "GGUF file, 11 tensors, mostly F32");
  // Every part of every parameter is there, and of the right width.
  for (const ParameterSpec& spec : parameter_table(wanted, 0)) {
    if (!spec.tied_to.empty()) continue;
    for (const ParameterPart& part : spec.parts) {
      const core::Tensor tensor = source->read(part.hugging_face_name, core::DType::float32);
      ASSERT_TRUE(tensor.defined()) << part.hugging_face_name;
      EXPECT_EQ(tensor.dim(0), part.rows) << part.hugging_face_name;
    }
  }
  const auto read = [&](const char* name) { return source->read(name, core::DType::float32); };
  EXPECT_EQ(first_of_rows(read("model.layers.0.self_attn.q_proj.weight")),
            (std::vector<float>{300, 316, 308, 324, 332, 348, 340, 356}));
  EXPECT_EQ(first_of_rows(read("model.layers.0.self_attn.k_proj.weight")),
            (std::vector<float>{400, 416, 408, 424}));
  EXPECT_EQ(first_of_rows(read("model.layers.0.self_attn.v_proj.weight")),
            (std::vector<float>{500, 508, 516, 524}));
  EXPECT_EQ(read("model.layers.0.mlp.down_proj.weight").shape(), (core::Shape{8, 6}));
  EXPECT_FALSE(read("lm_head.weight").defined());
  EXPECT_FALSE(read("model.layers.1.mlp.down_proj.weight").defined());
  EXPECT_EQ(source->read("model.norm.weight", core::DType::bfloat16).dtype(),
            core::DType::bfloat16);
}

TEST_F(GgufWeightsTest, Qwen2KeepsItsOrderAndHasBiases) {
  const auto source = open({.architecture = "qwen2", .tied = false, .bias = true});
  EXPECT_EQ(source->config().architecture, Architecture::qwen2);
  EXPECT_TRUE(source->config().qkv_bias);
  EXPECT_FALSE(source->config().tied_embeddings);
  EXPECT_EQ(
      first_of_rows(source->read("model.layers.0.self_attn.k_proj.weight", core::DType::float32)),
      (std::vector<float>{400, 408, 416, 424}));
  EXPECT_EQ(
      source->read("model.layers.0.self_attn.k_proj.bias", core::DType::float32).to_vector<float>(),
      (std::vector<float>{1400, 1401, 1402, 1403}));
  EXPECT_EQ(source->read("lm_head.weight", core::DType::float32).shape(), (core::Shape{5, 8}));
}

TEST_F(GgufWeightsTest, BiasesOfLlamaAreTurnedLikeTheirRows) {
  const auto source = open({.bias = true});
  EXPECT_EQ(
      source->read("model.layers.0.self_attn.k_proj.bias", core::DType::float32).to_vector<float>(),
      (std::vector<float>{1300, 1302, 1301, 1303}));
}

TEST_F(GgufWeightsTest, RopeScaling) {
  const auto rope_of = [&](const std::function<void(GgufBuilder&)>& more) {
    return open({.more = more})->config().rope;
  };
  RopeConfig rope = rope_of([](GgufBuilder& file) {
    file.text("llama.rope.scaling.type", "linear").number("llama.rope.scaling.factor", 4.0F);
  });
  EXPECT_EQ(rope.scaling, RopeScaling::linear);
  EXPECT_EQ(rope.factor, 4.0);
  rope = rope_of([](GgufBuilder& file) { file.number("llama.rope.scale_linear", 2.0F); });
  EXPECT_EQ(rope.scaling, RopeScaling::linear);
  rope = rope_of([](GgufBuilder& file) {
    file.text("llama.rope.scaling.type", "yarn")
        .number("llama.rope.scaling.factor", 8.0F)
        .integer("llama.rope.scaling.original_context_length", 4096);
  });
  EXPECT_EQ(rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(rope.original_context, 4096);
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.text("llama.rope.scaling.type", "longrope"); }),
             "longrope is not supported");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.text("llama.rope.scaling.type", "linear"); }),
             "'llama.rope.scaling.factor' is missing");
  EXPECT_HAS(error_with([](GgufBuilder& f) {
               f.floats("rope_freqs.weight", {3}, {1, 1, 1});
             }),
             "rope_freqs.weight");
  EXPECT_HAS(error_with([](GgufBuilder& f) {
               f.floats("rope_freqs.weight", {2}, {1, -1});
             }),
             "follow no RoPE scaling");
  rope = rope_of([](GgufBuilder& f) { f.floats("rope_freqs.weight", {2}, {2, 2}); });
  EXPECT_EQ(rope.scaling, RopeScaling::linear);
}

TEST(RopeFactors, TheRuleOfLlama3IsFoundAgain) {
  RopeConfig plain;
  plain.theta = 500000;
  const auto factors_of = [&](const RopeConfig& rule, std::int64_t width) {
    const std::vector<double> from = rope_frequencies(plain, width, 1);
    const std::vector<double> to = rope_frequencies(rule, width, 1);
    std::vector<float> factors;
    for (std::size_t i = 0; i < from.size(); ++i) {
      factors.push_back(static_cast<float>(from[i] / to[i]));
    }
    return factors;
  };
  RopeConfig rule = plain;
  rule.scaling = RopeScaling::llama3;
  rule.low_frequency_factor = 1;
  for (const double factor : {8.0, 32.0}) {
    for (const double high : {4.0, 6.0}) {
      for (const std::int64_t context : {8192, 4096, 1000}) {
        rule.factor = factor;
        rule.high_frequency_factor = high;
        rule.original_context = context;
        const auto found = rope_from_factors(plain, factors_of(rule, 128));
        ASSERT_TRUE(found.has_value());
        EXPECT_TRUE(*found == rule)
            << factor << " " << high << " " << context << ": " << found->high_frequency_factor
            << " " << found->original_context;
      }
    }
  }
  EXPECT_TRUE(rope_from_factors(plain, std::vector<float>(32, 1.0F)) == plain);
  EXPECT_FALSE(rope_from_factors(plain, std::vector<float>{1, 8, 1, 3}).has_value());
  EXPECT_FALSE(rope_from_factors(plain, std::vector<float>{1, NAN}).has_value());
  EXPECT_FALSE(rope_from_factors(plain, std::vector<float>{1, 0}).has_value());
}

TEST_F(GgufWeightsTest, WhatDoesNotFitIsNamed) {
  for (const char* key :
       {"embedding_length", "block_count", "attention.head_count", "feed_forward_length"}) {
    EXPECT_HAS(error_of({.leave_out = key}), std::string("'llama.") + key + "' is missing");
  }
  EXPECT_HAS(error_of({.leave_out = "eps"}), "layer_norm_rms_epsilon' is missing");
  for (const char* tensor : {"token_embd.weight", "blk.0.attn_k.weight", "output_norm.weight"}) {
    EXPECT_HAS(error_of({.leave_out = tensor}), std::string("'") + tensor + "' is missing");
  }
  // Without GQA there are as many key heads as heads.
  EXPECT_HAS(error_of({.leave_out = "attention.head_count_kv"}),
             "'blk.0.attn_k.weight': has shape (4, 8), the metadata says (8, 8)");
  EXPECT_HAS(error_of({.architecture = "gemma"}), "architecture gemma is not supported");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("llama.rope.dimension_count", 2); }),
             "'llama.rope.dimension_count': 2 is not supported: 4 is");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("llama.expert_count", 8); }),
             "expert_count");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("llama.attention.sliding_window", 4096); }),
             "sliding_window");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.number("llama.logit_scale", 0.5F); }),
             "logit_scale");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("split.count", 3); }), "one of 3 parts");
  EXPECT_HAS(error_with([](GgufBuilder& f) {
               f.floats("blk.0.attn_q_norm.weight", {4}, {1, 1, 1, 1});
             }),
             "'blk.0.attn_q_norm.weight' has no place");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("llama.attention.key_length", 6); }),
             "has shape");
  EXPECT_HAS(error_with([](GgufBuilder& f) { f.integer("llama.attention.key_length", 5); }),
             "heads of width 5");
}

}  // namespace
}  // namespace unfold::models
