#include "train/run_setup.h"

#include <gtest/gtest.h>

#include <cstring>

#include "data/tokenizer/byte_tokenizer.h"
#include "models/formats/checkpoint_folder.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/run_checkpoint.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;
using core::DType;

models::ModelDescription description(std::vector<std::int64_t> chunks) {
  gsa::GistConfig gist;
  gist.chunks = std::move(chunks);
  return {testing::tiny_decoder(), gist, "fingerprint"};
}

models::Decoder make_decoder(const models::ModelDescription& about, DType dtype,
                             std::uint64_t seed) {
  return models::Decoder(about.decoder, about.gist.levels(), dtype, core::Device{}, seed);
}

std::vector<double> values(const models::Decoder& decoder, const std::string& name) {
  return decoder.parameter(name).variable.value().to(DType::float64).to_vector<double>();
}

// A run with one checkpoint of the decoder.
void save_run(const fs::path& run, const models::ModelDescription& about,
              const models::Decoder& decoder) {
  TrainerState state;
  state.step = 3;
  save_checkpoint(run, about, AdamW(decoder, {}), state);
}

class InitialiseFrom : public ::testing::TestWithParam<DType> {};

TEST_P(InitialiseFrom, CopiesWeightsAndGistLevelsAndMakesNewOnesOfTheMean) {
  const test::TempFolder folder;
  const models::ModelDescription one = description({8});
  models::Decoder source = make_decoder(one, GetParam(), 1);
  // A gist row that is no mean any more, as after training.
  const std::int64_t raw = one.decoder.vocab_size, width = one.decoder.width;
  const core::Tensor row =
      source.parameter("embedding.weight").variable.value().slice(0, raw, raw + 1);
  const core::Tensor moved = core::Tensor::full({1, width}, 0.75, row.dtype());
  std::copy_n(static_cast<const std::byte*>(moved.raw()), moved.bytes(),
              static_cast<std::byte*>(row.raw()));
  save_run(folder.path(), one, source);

  for (const std::vector<std::int64_t>& chunks :
       {std::vector<std::int64_t>{}, {8}, {4}, {8, 4}, {8, 4, 2}}) {
    const models::ModelDescription wanted = description(chunks);
    models::Decoder decoder = make_decoder(wanted, GetParam(), 2);
    AdamW optimizer(decoder, {});
    initialise_from(folder.path(), wanted, decoder, optimizer);
    for (const models::Parameter& parameter : decoder.parameters()) {
      if (parameter.spec.gist_rows > 0 || chunks.empty()) continue;
      EXPECT_EQ(values(decoder, parameter.spec.name), values(source, parameter.spec.name));
    }
    const std::vector<double> from = values(source, "embedding.weight");
    const std::vector<double> to = values(decoder, "embedding.weight");
    ASSERT_EQ(to.size(),
              static_cast<std::size_t>((raw + static_cast<std::int64_t>(chunks.size())) * width));
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(to.size()); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i < (raw + 1) * width) {  // the raw rows and level 0
        ASSERT_EQ(to[at], from[at]) << i;
        continue;
      }
      double mean = 0;
      for (std::int64_t k = 0; k < raw; ++k) {
        mean += from[static_cast<std::size_t>(k * width + i % width)] / static_cast<double>(raw);
      }
      ASSERT_NEAR(to[at], mean, GetParam() == DType::bfloat16 ? 0.01 * std::abs(mean) : 1e-8) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, InitialiseFrom,
                         ::testing::Values(DType::float32, DType::float64, DType::bfloat16),
                         [](const auto& type) { return std::string(core::name_of(type.param)); });

TEST(RunSetup, InitialisingFromAnotherModelIsRefused) {
  const test::TempFolder folder;
  const models::ModelDescription one = description({8});
  save_run(folder / "run", one, make_decoder(one, DType::float32, 1));
  const auto refusal = [&](const models::ModelDescription& wanted) {
    models::Decoder decoder = make_decoder(wanted, DType::float32, 2);
    const std::vector<double> before = values(decoder, "embedding.weight");
    const std::string error = test::user_error([&] {
      AdamW optimizer(decoder, {});
      initialise_from(folder / "run", wanted, decoder, optimizer);
    });
    EXPECT_EQ(values(decoder, "embedding.weight"), before);
    EXPECT_NE(error.find("train.init_from"), std::string::npos) << error;
    return error;
  };
  models::ModelDescription wanted = one;
  wanted.decoder.ffn = 32;
  EXPECT_NE(refusal(wanted).find("model.ffn is 24 there, 32 here"), std::string::npos);
  wanted = one;
  wanted.tokenizer_fingerprint = "another";
  EXPECT_NE(refusal(wanted).find("tokenizer"), std::string::npos);

  models::Decoder decoder = make_decoder(one, DType::float32, 2);
  const std::string none = test::user_error([&] {
    AdamW optimizer(decoder, {});
    initialise_from(folder / "none", one, decoder, optimizer);
  });
  EXPECT_NE(none.find("no checkpoint there"), std::string::npos) << none;
}

TEST(RunSetup, MastersBeginAsTheStoredWeightsNotAsRoundedOnes) {
  const test::TempFolder folder;
  const models::ModelDescription one = description({8});
  const models::Decoder source = make_decoder(one, DType::float32, 1);
  save_run(folder.path(), one, source);
  for (const int ranks : {1, 2}) {
    models::Decoder decoder = make_decoder(one, DType::bfloat16, 2);
    AdamW optimizer(decoder, {}, 0, {.on = ranks > 1, .rank = ranks - 1, .world_size = ranks});
    initialise_from(folder.path(), one, decoder, optimizer);
    for (const AdamW::State& state : optimizer.states()) {
      const core::Tensor& stored = source.parameter(state.name).variable.value();
      ASSERT_EQ(state.master.dtype(), DType::float32);
      for (std::int64_t i = 0; i < state.master.size(); ++i) {
        ASSERT_EQ(state.master.data<float>()[i], stored.data<float>()[state.share.begin + i])
            << state.name << " " << i;
      }
      const core::Tensor rounded = stored.to(DType::bfloat16);
      EXPECT_EQ(std::memcmp(state.parameter.value().raw(), rounded.raw(), rounded.bytes()), 0);
    }
  }
}

TEST(RunSetup, ARunContinuesFromAnotherWithMoreLevels) {
  const test::TempFolder folder;
  TrainerConfig config = testing::tiny_config(folder.path());
  config.train.objective = Objective::lm;
  config.gist.chunks = {};
  testing::run_training(config);
  const double full = testing::metric(config.run.dir, "loss").back();
  config.train.init_from = config.run.dir;
  config.train.objective = Objective::cpt;
  config.gist.chunks = {6, 2};
  config.run.dir = (folder / "second").string();
  testing::run_training(config);
  // It goes on where the first one stood and does not start again at ln 257 = 5.549.
  EXPECT_NEAR(testing::metric(config.run.dir, "loss").front(), full, 0.1);
  EXPECT_LT(full, 5.4);
}

TEST(RunSetup, TheVocabularyIsTheTokenizersUnlessLarger) {
  const data::ByteTokenizer tokenizer;
  TrainerConfig config;
  config.model.vocab_size = 0;
  EXPECT_EQ(describe_model(config, tokenizer).decoder.vocab_size, tokenizer.vocab_size());
  config.model.vocab_size = 512;
  EXPECT_EQ(describe_model(config, tokenizer).decoder.vocab_size, 512);
  config.model.vocab_size = tokenizer.vocab_size() - 1;
  const std::string error = test::user_error([&] { describe_model(config, tokenizer); });
  EXPECT_NE(error.find("model.vocab_size"), std::string::npos) << error;
}

TEST(RunSetup, ARunTakesOverTheChatTemplateOfTheOneItStartsFrom) {
  const test::TempFolder folder;
  const data::ByteTokenizer tokenizer;
  TrainerConfig config;
  config.resolved_yaml = "run: {}\n";
  config.run.dir = (folder / "run").string();
  config.train.init_from = (folder / "imported").string();
  fs::create_directories(folder / "imported");
  core::write_file_atomically(folder / "imported" / "chat_template.txt", "{{ messages }}");
  {
    const NewRunFolder made(config, tokenizer);
    EXPECT_EQ(testing::read_file(folder / "run" / "chat_template.txt"), "{{ messages }}");
    EXPECT_FALSE(fs::exists(folder / "run" / "generation_config.json"));
  }
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(RunSetup, ANewRunFolderIsRemovedUnlessKept) {
  const test::TempFolder folder;
  const data::ByteTokenizer tokenizer;
  TrainerConfig config;
  config.resolved_yaml = "run: {}\n";
  for (const std::string name : {"run", "a/b/run", "a/run/"}) {
    config.run.dir = (folder / name).string();
    {
      const NewRunFolder made(config, tokenizer);
      EXPECT_TRUE(fs::exists(folder / name / "config.yaml"));
    }
    EXPECT_TRUE(fs::is_empty(folder.path())) << name;
  }
  fs::create_directories(folder / "mine");  // was there before: stays, empty as it was
  config.run.dir = (folder / "mine").string();
  { const NewRunFolder made(config, tokenizer); }
  EXPECT_TRUE(fs::is_empty(folder / "mine"));
  {
    NewRunFolder made(config, tokenizer);
    made.keep();
  }
  EXPECT_EQ(testing::read_file(folder / "mine" / "config.yaml"), "run: {}\n");
  test::user_error([&] { const NewRunFolder again(config, tokenizer); });
  EXPECT_EQ(testing::read_file(folder / "mine" / "config.yaml"), "run: {}\n");
}

}  // namespace
}  // namespace unfold::train
