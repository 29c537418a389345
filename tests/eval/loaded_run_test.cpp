#include "eval/loaded_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/file.h"
#include "data/tokenizer/train_tokenizer.h"
#include "models/formats/checkpoint_folder.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;
using core::DType;
using test::TempFolder;
using test::user_error;

// A message that names the path and what is wrong.
void expect_error(const std::string& error, const fs::path& path, const std::string& what) {
  EXPECT_NE(error.find(path.string()), std::string::npos) << error;
  EXPECT_NE(error.find(what), std::string::npos) << error;
}

std::shared_ptr<const data::Tokenizer> small_bpe(const fs::path& folder, std::int64_t entries) {
  core::write_file_atomically(folder / "text.txt", "the cat sat on the mat, the cat ate the rat");
  data::TrainTokenizerOptions options;
  options.bpe.vocab_size = entries;
  return data::train_tokenizer({folder / "text.txt"}, options).tokenizer;
}

TEST(LoadedRun, ChoosesACheckpoint) {
  const TempFolder folder;
  const fs::path run = folder / "run";
  write_tiny_run(run, {.steps = {5, 10, 40}});
  EXPECT_EQ(choose_checkpoint(run, "last"), 40);
  EXPECT_EQ(choose_checkpoint(run, "5"), 5);
  expect_error(user_error([&] { choose_checkpoint(run, "best"); }), run, "no validation");
  models::write_best(run, models::BestCheckpoint{10, 1.5});
  EXPECT_EQ(choose_checkpoint(run, "best"), 10);
  expect_error(user_error([&] { choose_checkpoint(run, "6"); }), run,
               "no checkpoint of step 6: there are 5, 10, 40");
  models::write_best(run, models::BestCheckpoint{7, 1.5});
  expect_error(user_error([&] { choose_checkpoint(run, "best"); }), run, "no checkpoint of step 7");
  for (const std::string which : {"", "newest", "-1", "1x", " 5", "99999999999999999999"}) {
    expect_error(user_error([&] { choose_checkpoint(run, which); }), which,
                 "choose last, best, or the number of a step");
  }
}

TEST(LoadedRun, SaysWhatIsNoRun) {
  const TempFolder folder;
  const auto last = [](const fs::path& path) {
    return user_error([&] { load_run(path, "last", DType::float32); });
  };
  expect_error(last(folder / "none"), folder / "none", "no such run folder");
  core::write_file_atomically(folder / "file", "x");
  expect_error(last(folder / "file"), folder / "file", "is a file");
  expect_error(last(folder.path()), folder.path(), "it has no config.yaml");
  core::write_file_atomically(folder / "config.yaml", "run: {}\n");
  expect_error(last(folder.path()), folder.path(), "has no checkpoint yet");
}

std::vector<double> weights_of(const models::Decoder& decoder) {
  return decoder.parameter("layers.1.mlp.down.weight")
      .variable.value()
      .to(DType::float64)
      .to_vector<double>();
}

TEST(LoadedRun, HasTheWeightsTheTokenizerAndTheDtypeAskedFor) {
  const TempFolder folder;
  std::vector<double> saved;
  const TinyRunOptions options = {.dtype = DType::float32, .change = [&](models::Decoder& decoder) {
                                    saved = weights_of(decoder);
                                  }};
  write_tiny_run(folder / "run", options);
  const LoadedRun run = load_run(folder / "run", "last", DType::float32);
  EXPECT_EQ(run.folder, folder / "run");
  EXPECT_EQ(run.step, 10);
  EXPECT_EQ(run.tokenizer->kind(), "byte");
  EXPECT_EQ(run.description.gist.chunks, options.gist.chunks);
  EXPECT_EQ(run.decoder.dtype(), DType::float32);
  EXPECT_EQ(weights_of(run.decoder), saved);

  const LoadedRun half = load_run(folder / "run", "10", DType::bfloat16);
  EXPECT_EQ(half.decoder.dtype(), DType::bfloat16);
  const std::vector<double> rounded = weights_of(half.decoder);
  ASSERT_EQ(rounded.size(), saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    ASSERT_NEAR(rounded[i], saved[i], std::abs(saved[i]) / 256);  // 8 bits of mantissa, to nearest
  }
}

TEST(LoadedRun, FindsDamageAnywhere) {
  const TempFolder folder;
  const fs::path run = folder / "run";
  write_tiny_run(run, {.dtype = DType::float32});
  const fs::path file = models::checkpoint_path(run, 10) / models::kModelFile;
  const std::string whole = core::read_text_file(file);
  const auto load = [&] { return user_error([&] { load_run(run, "last", DType::float32); }); };
  for (const std::size_t size : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    expect_error(load(), file, "bytes");
  }
  std::string flipped = whole;
  flipped[whole.size() / 3] ^= 1;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << flipped;
  expect_error(load(), file, "checksum");
  fs::remove(file);
  expect_error(load(), file, "missing");
  const fs::path manifest = file.parent_path() / "manifest.json";
  core::write_file_atomically(manifest, "{\"files\": {");
  expect_error(load(), manifest, "damaged");
  core::write_file_atomically(manifest, "{\"files\": {}, \"step\": 10}");
  expect_error(load(), manifest, "damaged");
}

TEST(LoadedRun, ChecksTheTokenizer) {
  const TempFolder folder;
  const fs::path run = folder / "run";
  const fs::path file = run / "tokenizer.json";
  const auto tokenizer = small_bpe(folder.path(), 270);
  write_tiny_run(run, *tokenizer, {.dtype = DType::float32});
  EXPECT_EQ(load_run(run, "last", DType::float32).tokenizer->fingerprint(),
            tokenizer->fingerprint());
  const auto load = [&] { return user_error([&] { load_run(run, "last", DType::float32); }); };
  small_bpe(folder.path(), 260)->save(file);
  expect_error(load(), file, "not the tokenizer the model was trained with");
  core::write_file_atomically(file, "{");
  expect_error(load(), file, "");
  fs::remove(file);
  expect_error(load(), file, "missing, and the model was not trained on bytes");
}

}  // namespace
}  // namespace unfold::eval
