#include "models/parameter_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "models/initialise.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

// SmolLM2-135M.
DecoderConfig smollm2() {
  DecoderConfig config;
  config.vocab_size = 49152;
  config.width = 576;
  config.layers = 30;
  config.heads = 9;
  config.kv_heads = 3;
  config.ffn = 1536;
  return config;
}

std::map<std::string, ParameterSpec> by_name(const std::vector<ParameterSpec>& table) {
  std::map<std::string, ParameterSpec> result;
  for (const ParameterSpec& spec : table) result[spec.name] = spec;
  EXPECT_EQ(result.size(), table.size()) << "a name occurs twice";
  return result;
}

TEST(ParameterTable, CountsSmolLm2) {
  EXPECT_EQ(count_parameters(smollm2(), 0), 134515008);
  EXPECT_EQ(count_parameters(smollm2(), 2), 134515008 + 2 * 576);
  DecoderConfig untied = smollm2();
  untied.tied_embeddings = false;
  EXPECT_EQ(count_parameters(untied, 1), 134515008 + 49152 * 576 + 2 * 576);
}

TEST(ParameterTable, CountsQwen2WithBias) {
  // Qwen2-0.5B.
  DecoderConfig config;
  config.architecture = Architecture::qwen2;
  config.vocab_size = 151936;
  config.width = 896;
  config.layers = 24;
  config.heads = 14;
  config.kv_heads = 2;
  config.ffn = 4864;
  config.qkv_bias = true;
  EXPECT_EQ(count_parameters(config, 0), 494032768);
}

TEST(ParameterTable, NamesAndShapes) {
  DecoderConfig config = smollm2();
  config.qkv_bias = true;
  const auto table = by_name(parameter_table(config, 1));
  EXPECT_EQ(table.size(), 3u + 30u * 7u);
  EXPECT_EQ(table.at("embedding.weight").shape, (core::Shape{49153, 576}));
  EXPECT_EQ(table.at("layers.0.attention_norm.weight").shape, (core::Shape{576}));
  EXPECT_EQ(table.at("layers.7.attention.qkv.weight").shape, (core::Shape{960, 576}));
  EXPECT_EQ(table.at("layers.7.attention.qkv.bias").shape, (core::Shape{960}));
  EXPECT_EQ(table.at("layers.7.attention.out.weight").shape, (core::Shape{576, 576}));
  EXPECT_EQ(table.at("layers.7.mlp_norm.weight").shape, (core::Shape{576}));
  EXPECT_EQ(table.at("layers.29.mlp.gate_up.weight").shape, (core::Shape{3072, 576}));
  EXPECT_EQ(table.at("layers.29.mlp.down.weight").shape, (core::Shape{576, 1536}));
  EXPECT_EQ(table.at("norm.weight").shape, (core::Shape{576}));
  EXPECT_EQ(table.at("head.weight").tied_to, "embedding.weight");
  EXPECT_EQ(table.at("head.weight").gist_rows, 1);
}

TEST(ParameterTable, HeadWidthNeedNotBeWidthOverHeads) {
  DecoderConfig config = tiny_config();
  config.head_dim = 10;
  const auto table = by_name(parameter_table(config, 0));
  EXPECT_EQ(table.at("layers.0.attention.qkv.weight").shape, (core::Shape{80, 16}));
  EXPECT_EQ(table.at("layers.0.attention.out.weight").shape, (core::Shape{16, 40}));
}

TEST(ParameterTable, PartsCoverTheRawRowsAndOnlyMatricesDecay) {
  DecoderConfig config = tiny_config();
  config.qkv_bias = true;
  std::set<std::string> hugging_face;
  for (const ParameterSpec& spec : parameter_table(config, 3)) {
    std::int64_t rows = 0;
    for (const ParameterPart& part : spec.parts) {
      rows += part.rows;
      EXPECT_TRUE(hugging_face.insert(part.hugging_face_name).second) << part.hugging_face_name;
    }
    EXPECT_EQ(rows, spec.shape[0] - spec.gist_rows) << spec.name;
    EXPECT_EQ(spec.decay, spec.shape.size() == 2) << spec.name;
    const bool vocabulary = spec.name == "embedding.weight" || spec.name == "head.weight";
    EXPECT_EQ(spec.gist_rows, vocabulary ? 3 : 0) << spec.name;
  }
  for (const char* name :
       {"model.embed_tokens.weight", "model.layers.1.self_attn.k_proj.bias",
        "model.layers.0.self_attn.o_proj.weight", "model.layers.0.post_attention_layernorm.weight",
        "model.layers.1.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight"}) {
    EXPECT_EQ(hugging_face.count(name), 1u) << name;
  }
}

TEST(Initialise, ValuesAreAFunctionOfSeedAndIndex) {
  ParameterSpec spec;
  spec.shape = {300, 40};
  spec.std = 0.5;
  const auto values = [&](std::uint64_t seed, std::uint64_t index) {
    return initial_value(spec, seed, index).to_vector<float>();
  };
  EXPECT_EQ(values(1, 2), values(1, 2));
  EXPECT_NE(values(1, 2), values(2, 2));
  EXPECT_NE(values(1, 2), values(1, 3));
  const std::vector<float> drawn = values(1, 2);
  double sum = 0;
  double squares = 0;
  for (const float value : drawn) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto count = static_cast<double>(drawn.size());
  EXPECT_NEAR(sum / count, 0, 4 * 0.5 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 0.25, 4 * 0.25 * std::sqrt(2 / count));
}

TEST(Initialise, DeviationsByRule) {
  DecoderConfig config = tiny_config();
  config.init_std = 0.02;
  auto table = by_name(parameter_table(config, 0));
  EXPECT_DOUBLE_EQ(table.at("layers.0.attention.qkv.weight").std, 0.02);
  EXPECT_DOUBLE_EQ(table.at("layers.0.mlp.down.weight").std, 0.01);  // / sqrt(2 * 2 layers)
  EXPECT_DOUBLE_EQ(table.at("layers.1.attention.out.weight").std, 0.01);
  config.init_std = 0;
  table = by_name(parameter_table(config, 0));
  EXPECT_DOUBLE_EQ(table.at("layers.0.mlp.gate_up.weight").std, 0.25);  // 1 / sqrt(16)
  EXPECT_DOUBLE_EQ(table.at("layers.0.mlp.down.weight").std, 0.5 / std::sqrt(24.0));
}

TEST(Initialise, DeviationsOfTheVocabulary) {
  struct Case {
    bool tied;
    double init_std, embedding_std, embedding, head;
  };
  for (const Case& c :
       {Case{true, 0.02, 0, 0.02, 0.02}, Case{false, 0.03, 0, 0.03, 0.03},
        Case{true, 0, 0, 0.02, 0.02}, Case{false, 0, 0, 0.02, 0.25}, Case{true, 0, 1, 1, 1},
        Case{false, 0, 1, 1, 0.25}, Case{false, 0.03, 1, 1, 0.03}}) {
    DecoderConfig config = tiny_config();
    config.tied_embeddings = c.tied;
    config.init_std = c.init_std;
    config.embedding_std = c.embedding_std;
    const auto table = by_name(parameter_table(config, 0));
    EXPECT_DOUBLE_EQ(table.at("embedding.weight").std, c.embedding);
    EXPECT_DOUBLE_EQ(table.at("head.weight").std, c.head);
    EXPECT_TRUE(table.at("embedding.weight").is_embedding);
    EXPECT_FALSE(table.at("head.weight").is_embedding);
  }
}

TEST(Initialise, GistRowsAreTheMeanOfTheRawRows) {
  for (const bool tied : {true, false}) {
    DecoderConfig config = tiny_config();
    config.tied_embeddings = tied;
    const Decoder decoder(config, 2, core::DType::float32, {}, 5);
    for (const char* name : {"embedding.weight", "head.weight"}) {
      const std::vector<float> values = decoder.parameter(name).variable.value().to_vector<float>();
      for (std::size_t i = 0; i < 16; ++i) {
        double mean = 0;
        for (std::size_t id = 0; id < kTinyVocabulary; ++id) mean += values[id * 16 + i];
        mean /= kTinyVocabulary;
        EXPECT_NEAR(values[kTinyVocabulary * 16 + i], mean, 1e-6);
        EXPECT_EQ(values[kTinyVocabulary * 16 + i], values[(kTinyVocabulary + 1) * 16 + i]);
      }
    }
    EXPECT_EQ(decoder.parameter("head.weight")
                  .variable.value()
                  .shares_storage_with(decoder.parameter("embedding.weight").variable.value()),
              tied);
  }
}

TEST(Initialise, FillsGistRowsOfImportedMatrices) {
  const core::Tensor matrix =
      core::Tensor::from(std::vector<double>{1, 2, 3, 6, 0, 0, 9, 9}, {4, 2});
  fill_gist_rows(matrix, 2);
  EXPECT_EQ(matrix.to_vector<double>(), (std::vector<double>{1, 2, 3, 6, 2, 4, 2, 4}));
  EXPECT_THROW(fill_gist_rows(matrix, 4), core::InternalError);
}

}  // namespace
}  // namespace unfold::models
