#include "models/formats/hugging_face_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

using Json = nlohmann::json;

Json llama() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"vocab_size", 40},
          {"hidden_size", 16},
          {"intermediate_size", 24},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"max_position_embeddings", 64},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-5}};
}

DecoderConfig read(const Json& json) {
  return hugging_face_config_from_json(json.dump(), "config.json").decoder;
}

void expect_refused(const Json& change, const std::string& part, Json json = llama()) {
  json.update(change);
  const std::string error = test::user_error([&] { read(json); });
  EXPECT_NE(error.find("config.json"), std::string::npos) << error;
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(HuggingFaceConfig, ReadsTheShape) {
  const DecoderConfig config = read(llama());
  EXPECT_EQ(config.architecture, Architecture::llama);
  EXPECT_EQ(config.vocab_size, 40);
  EXPECT_EQ(config.width, 16);
  EXPECT_EQ(config.ffn, 24);
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.head_width(), 4);
  EXPECT_EQ(config.max_positions, 64);
  EXPECT_EQ(config.rope, RopeConfig{});
  EXPECT_FALSE(config.qkv_bias);
  EXPECT_FALSE(config.tied_embeddings);
  Json json = llama();
  json.erase("num_key_value_heads");
  json["head_dim"] = 4;
  EXPECT_EQ(read(json).kv_heads, 4);
  EXPECT_EQ(read(json).head_dim, 0);  // one spelling of one shape
  json["head_dim"] = 8;
  EXPECT_EQ(read(json).head_width(), 8);
  json["architectures"] = {"Qwen2ForCausalLM"};
  EXPECT_TRUE(read(json).qkv_bias);
}

TEST(HuggingFaceConfig, BothSpellingsOfScalingAreOne) {
  Json new_spelling = llama();
  new_spelling["rope_parameters"] = {{"rope_type", "llama3"},
                                     {"rope_theta", 500000.0},
                                     {"factor", 8},
                                     {"low_freq_factor", 1.0},
                                     {"high_freq_factor", 4.0},
                                     {"original_max_position_embeddings", 32}};
  Json old_spelling = llama();
  old_spelling["rope_theta"] = 500000.0;
  old_spelling["rope_scaling"] = {{"type", "llama3"},
                                  {"factor", 8},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 32}};
  EXPECT_EQ(read(new_spelling), read(old_spelling));
  EXPECT_EQ(read(old_spelling).rope.theta, 500000.0);
  EXPECT_EQ(read(old_spelling).rope.scaling, RopeScaling::llama3);
  EXPECT_EQ(read(old_spelling).rope.original_context, 32);
}

TEST(HuggingFaceConfig, YarnTakesItsAttentionFactorFromWhereTransformersDoes) {
  const auto rope = [](const Json& more) {
    Json json = llama();
    json["rope_scaling"] = {
        {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
    json["rope_scaling"].update(more);
    return read(json).rope;
  };
  EXPECT_EQ(rope(Json::object()).attention_factor, 0);
  EXPECT_EQ(rope({{"attention_factor", 1.5}}).attention_factor, 1.5);
  EXPECT_NEAR(rope({{"mscale", 1.0}, {"mscale_all_dim", 1.0}}).attention_factor, 1.0, 1e-12);
  EXPECT_EQ(rope({{"factor", nullptr}}).factor, 4.0);  // 64 / 16 positions
}

TEST(HuggingFaceConfig, WhatADecoderCannotBeIsRefused) {
  expect_refused({{"architectures", {"GemmaForCausalLM"}}}, "Gemma");
  expect_refused({{"architectures", Json::array()}}, "expected one name");
  expect_refused({{"hidden_act", "gelu"}}, "hidden_act is \"gelu\"");
  expect_refused({{"mlp_bias", true}}, "mlp_bias");
  expect_refused({{"attention_bias", true}}, "attention_bias");
  expect_refused({{"partial_rotary_factor", 0.5}}, "partial_rotary_factor");
  expect_refused({{"quantization_config", {{"bits", 4}}}}, "quantization_config");
  expect_refused({{"num_key_value_heads", 3}}, "not a multiple");
  expect_refused({{"hidden_size", 18}}, "not a multiple");
  expect_refused({{"head_dim", 5}}, "even");
  expect_refused({{"vocab_size", -1}}, "vocab_size");
  expect_refused({{"vocab_size", 1e300}}, "vocab_size");
  expect_refused({{"vocab_size", "40"}}, "vocab_size");
  expect_refused({{"num_hidden_layers", 2.5}}, "num_hidden_layers");
  expect_refused({{"hidden_size", nullptr}}, "hidden_size is missing");
  expect_refused({{"rms_norm_eps", 0}}, "rms_norm_eps");
  expect_refused({{"rope_scaling", {{"type", "longrope"}}}}, "longrope");
  expect_refused({{"rope_scaling", {{"type", "linear"}}}}, "factor is missing");
  expect_refused({{"rope_scaling", {{"type", "linear"}, {"factor", 0.5}}}}, "below 1");
  expect_refused({{"rope_scaling", {{"type", "llama3"}, {"factor", 8}}}}, "low_freq_factor");
  expect_refused({{"rope_scaling", {{"type", "yarn"}, {"factor", 8}, {"truncate", false}}}},
                 "truncate");
  expect_refused({{"unfold", 3}}, "unfold");
  for (const char* text : {"", "[]", "{", "3"}) {
    test::user_error([&] { hugging_face_config_from_json(text, "config.json"); });
  }
}

TEST(HuggingFaceConfig, ASlidingWindowInUseIsRefused) {
  Json mistral = llama();
  mistral["architectures"] = {"MistralForCausalLM"};
  expect_refused({{"sliding_window", 16}}, "sliding_window is 16 of 64", mistral);
  expect_refused(Json::object(), "no sliding_window", mistral);
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(read(mistral).architecture, Architecture::llama);
  mistral["sliding_window"] = 64;
  read(mistral);
  Json qwen = llama();
  qwen["architectures"] = {"Qwen2ForCausalLM"};
  qwen["sliding_window"] = 16;
  read(qwen);
  qwen["use_sliding_window"] = true;
  read(qwen);  // max_window_layers is 28, the model has 2
  expect_refused({{"max_window_layers", 1}}, "sliding_window is 16", qwen);
  expect_refused({{"layer_types", {"full_attention", "sliding_attention"}}}, "layer_types", qwen);
}

TEST(HuggingFaceConfig, WhatIsWrittenIsReadAgain) {
  ExportedGists gists;
  gists.gist.chunks = {8, 4};
  gists.gist.previous_chunks = 2;
  gists.tokenizer_size = 39;
  for (const RopeScaling scaling : {RopeScaling::none, RopeScaling::linear, RopeScaling::dynamic,
                                    RopeScaling::yarn, RopeScaling::llama3}) {
    DecoderConfig config = read(llama());
    config.qkv_bias = scaling == RopeScaling::yarn;
    config.architecture = config.qkv_bias ? Architecture::qwen2 : Architecture::llama;
    config.tied_embeddings = scaling == RopeScaling::linear;
    config.rope.theta = 123456;
    config.rope.scaling = scaling;
    if (scaling != RopeScaling::none) config.rope.factor = 4;
    if (scaling == RopeScaling::dynamic) config.rope.original_context = config.max_positions;
    if (scaling == RopeScaling::yarn) config.rope.attention_factor = 0.75;
    const HuggingFaceConfig again = hugging_face_config_from_json(
        hugging_face_config_json(config, gists, {1, 2}, "float32"), "config.json");
    EXPECT_EQ(again.decoder, config);
    ASSERT_TRUE(again.exported);
    EXPECT_EQ(again.exported->gist, gists.gist);
    EXPECT_EQ(again.exported->tokenizer_size, 39);
  }
}

}  // namespace
}  // namespace unfold::models
