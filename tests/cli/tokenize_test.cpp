// unfold tokenize and detokenize, run as a user would.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

std::string error_of(const std::string& arguments) {
  const ProgramResult result = run_unfold(arguments);
  EXPECT_EQ(result.code, 2) << arguments << result.err;
  EXPECT_EQ(result.out, "") << arguments;
  EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  return result.err;
}

TEST(Tokenize, TextToIdsAndBack) {
  const TestFolder folder("tokenize");
  const auto ids_of = [&](const std::string& text, const std::string& options) {
    const std::string file = folder.write("text.txt", text);
    const ProgramResult result =
        run_unfold(fmt::format("tokenize {} --tokenizer byte < '{}'", options, file));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(ids_of("a\xC3\xA9<|endoftext|>", ""), "97 195 169 256\n");
  EXPECT_EQ(ids_of("<|", "--special plain"), "60 124\n");
  EXPECT_EQ(ids_of("<|endoftext|>", "--special plain").substr(0, 7), "60 124 ");
  EXPECT_EQ(ids_of("", ""), "\n");
  // One U+FFFD for each maximal part of a character: "\xE2\x82" is one, "\xC0\xAF" two.
  EXPECT_EQ(ids_of("\xE2\x82 \xC0\xAF", ""), "239 191 189 32 239 191 189 239 191 189\n");

  const auto text_of = [&](const std::string& ids, const std::string& options) {
    const std::string file = folder.write("ids.txt", ids);
    const ProgramResult result =
        run_unfold(fmt::format("detokenize --tokenizer byte {} < '{}'", options, file));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(text_of("97 195 169 256\n", ""), "a\xC3\xA9<|endoftext|>");
  EXPECT_EQ(text_of("97\n\t256  195", "--skip-special"), "a\xC3");
  EXPECT_EQ(text_of("", ""), "");
}

TEST(Tokenize, TakesTheGoldenTokenizersAndARun) {
  const TrainedRun trained("tokenize_run");
  const std::string text = trained.folder().write("text.txt", "Marlo 12");
  const ProgramResult of_run =
      run_unfold(fmt::format("tokenize --tokenizer '{}' < '{}'", trained.run(), text));
  EXPECT_EQ(of_run.code, 0) << of_run.err;
  EXPECT_EQ(of_run.out, "77 97 114 108 111 32 49 50\n");
  // A tokenizer that puts a token in front of texts.
  const std::string file = trained.folder().write("tokenizer.json", R"({
    "added_tokens": [{"id": 2, "content": "<s>"}, {"id": 3, "content": "</s>"}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"ids": [2]}}},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})");
  const std::string ab = trained.folder().write("ab.txt", "ab<s>b");
  const std::string command = fmt::format("tokenize --tokenizer '{}' < '{}'", file, ab);
  EXPECT_EQ(run_unfold(command).out, "0 1 2 1\n");
  EXPECT_EQ(run_unfold(command + " --add-special").out, "2 0 1 2 1\n");
}

TEST(Tokenize, Errors) {
  const TestFolder folder("tokenize_errors");
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect(error_of("tokenize < /dev/null"), "--tokenizer");
  expect(error_of("tokenize --tokenizer none < /dev/null"), "none: no such file");
  expect(error_of("tokenize --tokenizer byte --special wild < /dev/null"), "wild");
  for (const std::string bad : {"1 2 x", "1 257", "-1", "1.5", "99999999999999999999", "\xff"}) {
    const std::string file = folder.write("ids.txt", bad);
    expect(error_of(fmt::format("detokenize --tokenizer byte < '{}'", file)),
           "expected an id from 0 to 256");
  }
}

}  // namespace
}  // namespace unfold::cli
