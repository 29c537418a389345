#include "train/run_files.h"

#include <gtest/gtest.h>

#include "data/tokenizer/tokenizer_spec.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

// Others need the tokenizer of a run; training goes on with that of data.tokenizer.
TEST(RunFiles, AResumedRunHasItsTokenizerAgain) {
  const test::TempFolder folder;
  const TrainerConfig config = testing::tiny_config(folder.path());
  const auto tokenizer = data::make_tokenizer(data::byte_spec());
  {
    RunFiles files(config, false);
    files.start(*tokenizer);
    files.keep();
  }
  const std::filesystem::path file = std::filesystem::path(config.run.dir) / "tokenizer.json";
  const std::string whole = testing::read_file(file);
  for (const std::string& left : {std::string(), whole.substr(0, 9), whole}) {
    std::filesystem::remove(file);
    if (!left.empty()) core::write_file_atomically(file, left);
    RunFiles files(config, true);
    files.go_on(0, *tokenizer);
    EXPECT_EQ(testing::read_file(file), whole);
  }
}

}  // namespace
}  // namespace unfold::train
