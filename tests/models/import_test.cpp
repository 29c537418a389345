#include "models/formats/import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>

#include "models/formats/export.h"
#include "models/formats/hugging_face_folder.h"
#include "tests/models/tiny.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using core::DType;
using core::Tensor;

using Values = std::map<std::string, std::vector<float>>;

Values values_of(const fs::path& model_file) {
  Values values;
  for_each_weight(model_file, [&](const ParameterSpec& spec, const Tensor& value) {
    values[spec.name] = value.to_vector<float>();
  });
  return values;
}

// An exported model without gists, to be imported: what transformers would have written.
class Import : public testing::Test {
 protected:
  void make_folder(const DecoderConfig& config, std::uint64_t shard_bytes = kSafetensorsShard) {
    ModelDescription plain = {config, {}, "none"};
    plain.gist.chunks.clear();
    write_model(folder_ / "plain.h5", Decoder(config, 0, DType::float32, {}, 7), plain);
    fs::remove_all(folder_ / "hf");
    fs::create_directories(folder_ / "hf");
    ExportOptions options;
    options.shard_bytes = shard_bytes;
    options.tokenizer_size = config.vocab_size;
    export_hugging_face(folder_ / "plain.h5", folder_ / "hf", options);
  }
  // Replaces the weights by those that `change` leaves.
  void rewrite(const std::function<void(std::map<std::string, Tensor>&)>& change) {
    std::map<std::string, Tensor> tensors;
    {
      const SafetensorsFile file(folder_ / "hf" / "model.safetensors");
      for (const SafetensorsEntry& entry : file.entries()) {
        tensors[entry.name] = file.read(entry, DType::float32);
      }
    }
    change(tensors);
    fs::remove(folder_ / "hf" / "model.safetensors");
    std::vector<SafetensorsPlan> plan;
    for (const auto& [name, value] : tensors) plan.push_back({name, value.shape(), DType::float32});
    SafetensorsWriter writer(folder_ / "hf", plan);
    for (const auto& [name, value] : tensors) writer.write(value);
    writer.finish();
  }
  void expect_refused(const std::string& part) {
    const std::string error = test::user_error([&] {
      const HuggingFaceFolder source(folder_ / "hf");
      Decoder decoder(source.config(), 1, DType::float32, {}, 1);
      import_weights(source, decoder);
    });
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }

  test::TempFolder folder_;
};

DecoderConfig biased() {
  DecoderConfig config = tiny_config();
  config.architecture = Architecture::qwen2;
  config.qkv_bias = true;
  config.tied_embeddings = false;
  config.head_dim = 6;
  return config;
}

TEST_F(Import, RoundTripsAreBitEqual) {
  for (const DecoderConfig& config : {tiny_config(), biased()}) {
    for (const std::uint64_t shard : {kSafetensorsShard, std::uint64_t{4000}}) {
      make_folder(config, shard);
      const HuggingFaceFolder source(folder_ / "hf");
      ModelDescription description = {source.config(), {}, "none"};
      description.gist.chunks = {4, 2};
      import_model(source, description, folder_ / "model.h5");
      ExportOptions options;
      options.tokenizer_size = config.vocab_size - 1;
      options.shard_bytes = shard;
      fs::remove_all(folder_ / "again");
      fs::create_directories(folder_ / "again");
      export_hugging_face(folder_ / "model.h5", folder_ / "again", options);
      const HuggingFaceFolder again(folder_ / "again");
      EXPECT_EQ(again.config(), source.config());
      ASSERT_TRUE(again.exported());
      EXPECT_EQ(again.exported()->gist, description.gist);
      EXPECT_EQ(again.exported()->tokenizer_size, config.vocab_size - 1);
      import_model(again, description, folder_ / "again.h5");
      EXPECT_EQ(values_of(folder_ / "again.h5"), values_of(folder_ / "model.h5"));
    }
  }
}

TEST_F(Import, GistRowsAreTheMeanOfTheOthersAndNothingElseChanges) {
  make_folder(biased());
  const HuggingFaceFolder source(folder_ / "hf");
  ModelDescription description = {source.config(), {}, "none"};
  description.gist.chunks = {4, 2};
  import_model(source, description, folder_ / "model.h5");
  const Values before = values_of(folder_ / "plain.h5");
  Values after = values_of(folder_ / "model.h5");
  const auto width = static_cast<std::size_t>(source.config().width);
  for (const char* name : {"embedding.weight", "head.weight"}) {
    std::vector<float>& matrix = after.at(name);
    ASSERT_EQ(matrix.size(), before.at(name).size() + 2 * width);
    for (std::size_t i = 0; i < width; ++i) {
      double mean = 0;
      for (std::size_t at = i; at < before.at(name).size(); at += width) mean += matrix[at];
      mean /= static_cast<double>(kTinyVocabulary);
      EXPECT_NEAR(matrix[before.at(name).size() + i], mean, 1e-7);
      EXPECT_NEAR(matrix[before.at(name).size() + width + i], mean, 1e-7);
    }
    matrix.resize(before.at(name).size());
  }
  EXPECT_EQ(after, before);
  // In memory it is the same.
  Decoder decoder(source.config(), 2, DType::float32, {}, 3);
  import_weights(source, decoder);
  for (const auto& [name, values] : values_of(folder_ / "model.h5")) {
    EXPECT_EQ(decoder.parameter(name).variable.value().to_vector<float>(), values) << name;
  }
}

TEST_F(Import, WeightsThatDoNotFitAreNamed) {
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  make_folder(tiny_config());
  rewrite([&](auto& tensors) { tensors.erase(name); });
  expect_refused(name + ": is missing");
  make_folder(tiny_config());
  rewrite([&](auto& tensors) { tensors[name] = Tensor::zeros({24, 17}, DType::float32); });
  expect_refused(name + ": has shape (24, 17), its config asks for (24, 16)");
  make_folder(tiny_config());
  rewrite([&](auto& tensors) {
    tensors["model.layers.0.self_attn.q_norm.weight"] = Tensor::zeros({4}, DType::float32);
  });
  expect_refused("q_norm.weight: has no place");
  // These say nothing new.
  make_folder(tiny_config());
  rewrite([&](auto& tensors) {
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor::zeros({2}, DType::float32);
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  });
  const HuggingFaceFolder source(folder_ / "hf");
  Decoder decoder(source.config(), 1, DType::float32, {}, 1);
  import_weights(source, decoder);
}

TEST_F(Import, ABrokenWeightIsWarnedOfAndKept) {
  make_folder(tiny_config());
  rewrite([&](auto& tensors) {
    tensors["model.norm.weight"].template data<float>()[3] = NAN;
    tensors["model.norm.weight"].template data<float>()[4] = INFINITY;
  });
  const HuggingFaceFolder source(folder_ / "hf");
  Decoder decoder(source.config(), 1, DType::float32, {}, 1);
  testing::internal::CaptureStderr();
  import_weights(source, decoder);
  const std::string warned = testing::internal::GetCapturedStderr();
  EXPECT_NE(warned.find("model.norm.weight: 2 of 16 weights are NaN or infinite"),
            std::string::npos)
      << warned;
  EXPECT_TRUE(std::isnan(decoder.parameter("norm.weight").variable.value().data<float>()[3]));
}

TEST_F(Import, SourcesThatAreNoneSaySo) {
  EXPECT_NE(test::user_error([&] { open_weights(folder_ / "none"); }).find("no such file"),
            std::string::npos);
  EXPECT_NE(test::user_error([&] { open_weights(folder_.path()); }).find("config.json"),
            std::string::npos);
  std::ofstream(folder_ / "model.bin") << "something";
  EXPECT_NE(test::user_error([&] { open_weights(folder_ / "model.bin"); }).find("model.bin"),
            std::string::npos);
}

}  // namespace
}  // namespace unfold::models
