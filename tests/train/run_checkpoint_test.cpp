#include "train/run_checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/random.h"
#include "models/formats/checkpoint_folder.h"
#include "tests/data/file_size_limit.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::read_tree;

// A decoder with its optimizer, moved a few steps by random gradients.
struct Trained {
  models::ModelDescription description;
  models::Decoder decoder;
  AdamW optimizer;

  explicit Trained(core::DType dtype = core::DType::float32, std::uint64_t seed = 1,
                   models::DecoderConfig config = small(),
                   core::DType state_dtype = core::DType::float32)
      : description{config, {}, "fingerprint"},
        decoder(config, 1, dtype, core::Device{}, seed),
        optimizer(decoder, {.state_dtype = state_dtype}, 7) {}

  static models::DecoderConfig small() {
    models::DecoderConfig config = testing::tiny_decoder();
    config.vocab_size = 20;
    config.width = 8;
    config.layers = 1;
    config.ffn = 8;
    return config;
  }

  void move(int steps) {
    core::Random random(9);
    for (int i = 0; i < steps; ++i) {
      for (const AdamW::State& state : optimizer.states()) {
        std::vector<float> gradient(static_cast<std::size_t>(state.parameter.value().size()));
        for (float& value : gradient) value = static_cast<float>(random.normal());
        state.parameter.slot()->add(core::Tensor::from(gradient, state.parameter.shape()));
      }
      optimizer.prepare(1e-2);
      optimizer.step(1.0);
    }
  }
  // All numbers, as float64: equal bits give equal values.
  std::vector<std::vector<double>> numbers() const {
    std::vector<std::vector<double>> all;
    for (const AdamW::State& state : optimizer.states()) {
      for (const core::Tensor& tensor : {state.parameter.value(), state.master, state.m, state.v}) {
        all.push_back(tensor.to(core::DType::float64).to_vector<double>());
      }
    }
    return all;
  }
  void save(const fs::path& run, const TrainerState& state) const {
    save_checkpoint(run, description, optimizer, state);
  }
  TrainerState load(const fs::path& run, std::int64_t step) {
    return load_checkpoint(run, step, description, decoder, optimizer);
  }
};

TrainerState some_state(std::int64_t step) {
  TrainerState state;
  state.step = step;
  state.tokens = 123456789012;
  state.loader = {0xfedcba9876543210, 3, 2, 17};
  state.best = models::BestCheckpoint{step, 1.0 / 3.0};
  return state;
}

void overwrite(const fs::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

TEST(RunCheckpoint, RoundTripIsExact) {
  for (const core::DType dtype : {core::DType::float32, core::DType::bfloat16}) {
    const test::TempFolder folder;
    Trained trained(dtype);
    trained.move(3);
    for (const bool has_best : {true, false}) {
      TrainerState state = some_state(5);
      if (!has_best) state.best.reset();
      trained.save(folder.path(), state);
      Trained loaded(dtype, 2);
      ASSERT_NE(loaded.numbers(), trained.numbers());
      const TrainerState back = loaded.load(folder.path(), 5);
      EXPECT_EQ(loaded.numbers(), trained.numbers());
      EXPECT_EQ(loaded.optimizer.steps_done(), 3);
      EXPECT_EQ(back.step, 5);
      EXPECT_EQ(back.tokens, state.tokens);
      EXPECT_EQ(back.loader, state.loader);
      ASSERT_EQ(back.best.has_value(), has_best);
      if (has_best) {
        EXPECT_EQ(back.best->step, 5);
        EXPECT_EQ(back.best->loss, 1.0 / 3.0);
      }
      loaded.save(folder.path() / "again", back);
      EXPECT_EQ(read_tree(models::checkpoint_path(folder.path(), 5)),
                read_tree(models::checkpoint_path(folder.path() / "again", 5)));
    }
  }
}

// With bfloat16 moments, too, a run that resumes goes on in every bit: the rounding remembers
// nothing.
TEST(RunCheckpoint, Bfloat16MomentsResumeExactly) {
  for (const core::DType dtype : {core::DType::float32, core::DType::bfloat16}) {
    const test::TempFolder folder;
    Trained whole(dtype, 1, Trained::small(), core::DType::bfloat16);
    whole.move(2);
    whole.save(folder.path(), some_state(5));
    Trained resumed(dtype, 2, Trained::small(), core::DType::bfloat16);
    resumed.load(folder.path(), 5);
    EXPECT_EQ(resumed.optimizer.states().front().m.dtype(), core::DType::bfloat16);
    EXPECT_EQ(resumed.numbers(), whole.numbers());
    whole.move(3);
    resumed.move(3);
    EXPECT_EQ(resumed.numbers(), whole.numbers());
  }
}

TEST(RunCheckpoint, AnotherStateDtypeIsAnError) {
  const test::TempFolder folder;
  const auto make = [](core::DType state_dtype, std::uint64_t seed) {
    return Trained(core::DType::float32, seed, Trained::small(), state_dtype);
  };
  make(core::DType::float32, 1).save(folder.path(), some_state(5));
  make(core::DType::bfloat16, 1).save(folder.path(), some_state(6));
  for (const auto& [step, other] :
       {std::pair{5, core::DType::bfloat16}, {6, core::DType::float32}}) {
    Trained loaded = make(other, 2);
    const auto before = loaded.numbers();
    const std::string error = test::user_error([&] { loaded.load(folder.path(), step); });
    EXPECT_NE(error.find("optimizer.state_dtype"), std::string::npos) << error;
    EXPECT_NE(error.find("bfloat16"), std::string::npos) << error;
    EXPECT_EQ(loaded.numbers(), before) << "loaded in part";
  }
}

// Damaged ones do not count among the newest, or the next saves would be pruned in their favour.
TEST(RunCheckpoint, DamagedOnesAreSetAside) {
  const test::TempFolder folder;
  const fs::path run = folder.path();
  const Trained trained(core::DType::float32, 1);
  for (const std::int64_t step : {4, 8, 12}) trained.save(run, some_state(step));
  for (const std::int64_t step : {8, 12}) {
    overwrite(models::checkpoint_path(run, step) / models::kTrainerFile, "torn");
  }
  EXPECT_NE(test::user_error([&] { newest_checkpoint(run, false); }).find("step-12"),
            std::string::npos);
  EXPECT_EQ(newest_checkpoint(run, true), 4);
  EXPECT_EQ(models::list_checkpoints(run), std::vector<std::int64_t>{4});
  EXPECT_TRUE(fs::exists(run / "checkpoints" / "step-12.damaged" / models::kModelFile));
  trained.save(run, some_state(5));
  models::prune_checkpoints(run, 1);
  EXPECT_EQ(models::list_checkpoints(run), std::vector<std::int64_t>{5});
  EXPECT_EQ(newest_checkpoint(run, false), 5);
}

class DamagedCheckpoint : public ::testing::TestWithParam<const char*> {
 protected:
  DamagedCheckpoint() {
    trained_.move(1);
    trained_.save(folder_.path(), some_state(5));
    file_ = models::checkpoint_path(folder_.path(), 5) / GetParam();
    good_ = read_file(file_);
  }
  void expect_refused(std::string_view bytes, const std::string& what) {
    overwrite(file_, bytes);
    Trained loaded(core::DType::float32, 2);
    const auto before = loaded.numbers();
    const std::string error = test::user_error([&] { loaded.load(folder_.path(), 5); });
    EXPECT_NE(error.find("step-5"), std::string::npos) << what << ": " << error;
    EXPECT_EQ(loaded.numbers(), before) << what << ": loaded in part";
    EXPECT_EQ(read_file(file_), bytes) << what << ": the file was changed";
  }

  test::TempFolder folder_;
  Trained trained_;
  fs::path file_;
  std::string good_;
};

TEST_P(DamagedCheckpoint, AFlippedBitAnywhere) {
  core::Random random(4);
  const std::size_t stride = std::max<std::size_t>(1, good_.size() / 250);
  for (std::size_t at = 0; at < good_.size(); at += stride) {
    std::string bad = good_;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.below(8)));
    expect_refused(bad, "bit at byte " + std::to_string(at));
  }
}

TEST_P(DamagedCheckpoint, AnotherByteAnywhere) {
  core::Random random(5);
  const std::size_t stride = std::max<std::size_t>(1, good_.size() / 100);
  for (std::size_t at = 0; at < good_.size(); at += stride) {
    for (const char other : {' ', '\n', '0', '9', '"', '}', '\0', '\xff'}) {
      if (good_[at] == other) continue;
      if (good_.size() > 1000 && random.below(4) > 0) continue;
      std::string bad = good_;
      bad[at] = other;
      expect_refused(bad, "byte " + std::to_string(at));
    }
  }
}

TEST_P(DamagedCheckpoint, TruncatedOrLongerOrGone) {
  const std::size_t stride = std::max<std::size_t>(1, good_.size() / 150);
  for (std::size_t length = 0; length < good_.size(); length += stride) {
    expect_refused(good_.substr(0, length), "length " + std::to_string(length));
  }
  expect_refused(good_ + '\n', "one byte more");
  expect_refused(good_ + std::string(5000, '\0'), "5000 bytes more");
  fs::remove(file_);
  Trained loaded;
  test::user_error([&] { loaded.load(folder_.path(), 5); });
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedCheckpoint,
                         ::testing::Values("model.h5", "trainer.h5", "manifest.json"),
                         [](const auto& file) {
                           const std::string name = file.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(RunCheckpoint, AFolderUnderAnotherStepsNameIsRefused) {
  const test::TempFolder folder;
  Trained trained;
  trained.save(folder.path(), some_state(5));
  fs::rename(models::checkpoint_path(folder.path(), 5), models::checkpoint_path(folder.path(), 6));
  const std::string error = test::user_error([&] { trained.load(folder.path(), 6); });
  EXPECT_NE(error.find("manifest.json"), std::string::npos) << error;
}

TEST(RunCheckpoint, AnotherArchitectureIsNamedByItsField) {
  const test::TempFolder folder;
  Trained trained;
  trained.save(folder.path(), some_state(5));
  const auto refusal = [&](const models::DecoderConfig& config, const std::string& fingerprint,
                           std::int64_t levels) {
    Trained other(core::DType::float32, 1, config);
    other.description.tokenizer_fingerprint = fingerprint;
    other.description.gist.chunks.assign(static_cast<std::size_t>(levels), 4);
    const auto before = other.numbers();
    const std::string error = test::user_error([&] { other.load(folder.path(), 5); });
    EXPECT_EQ(other.numbers(), before);
    return error;
  };
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
    EXPECT_NE(error.find("model.h5"), std::string::npos) << error;
  };
  models::DecoderConfig config = Trained::small();
  config.width = 16;
  expect(refusal(config, "fingerprint", 1), "model.width is 8 there, 16 here");
  config = Trained::small();
  config.layers = 2;
  expect(refusal(config, "fingerprint", 1), "model.layers is 1 there, 2 here");
  config = Trained::small();
  config.rope.theta = 500.0;  // the same shapes, other meaning
  expect(refusal(config, "fingerprint", 1), "model.rope_theta is 10000.0 there, 500.0 here");
  expect(refusal(Trained::small(), "fingerprint", 2), "gist.chunks has 1 levels there, 2 here");
  expect(refusal(Trained::small(), "another", 1), "tokenizer");
  config = Trained::small();
  config.dropout = 0.5;  // no part of what the weights mean
  Trained same(core::DType::float32, 1, config);
  EXPECT_EQ(same.load(folder.path(), 5).step, 5);
}

TEST(RunCheckpoint, AFullDiskLeavesEarlierCheckpointsWhole) {
  const test::TempFolder folder;
  Trained trained;
  trained.save(folder.path(), some_state(5));
  const auto before = read_tree(folder.path());
  trained.move(1);
  for (const rlim_t bytes : {0, 1, 600, 3000, 9000}) {
    std::string error;
    {
      const data::testing::FileSizeLimit limit(bytes);
      error = test::user_error([&] { trained.save(folder.path(), some_state(6)); });
    }
    EXPECT_NE(error.find("step-6"), std::string::npos) << error;
    EXPECT_EQ(read_tree(folder.path()), before) << bytes;
  }
  trained.save(folder.path(), some_state(6));  // with room again, all is well
  Trained loaded(core::DType::float32, 2);
  EXPECT_EQ(loaded.load(folder.path(), 6).step, 6);
  EXPECT_EQ(loaded.numbers(), trained.numbers());
}

}  // namespace
}  // namespace unfold::train
