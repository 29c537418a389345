// Cutting Chinese text: against jieba by a dictionary of our own
// (tests/golden/make_chinese_words.py), and files that are not what they should be.
#include "eval/metrics/chinese_words.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "eval/metrics/python_text.h"
#include "tests/eval/metric_pairs.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

class ChineseWordsTest : public ::testing::Test {
 protected:
  ChineseWordsTest()
      : folder_(fs::temp_directory_path() / fmt::format("unfold_chinese_{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "finalseg");
  }
  ~ChineseWordsTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  // A folder of jieba that can be read.
  void write_all() const {
    write("dict.txt", "北京 10 ns\n大学 5\n大 7 a\n");
    write("finalseg/prob_start.py", "P={'B': -0.5, 'E': -3.14e+100, 'M': -3.14e+100, 'S': -1.0}\n");
    write("finalseg/prob_trans.py",
          "P={'B': {'E': -0.5, 'M': -1.0}, 'E': {'B': -0.6, 'S': -0.7},\n"
          " 'M': {'E': -0.3, 'M': -1.2}, 'S': {'B': -0.7, 'S': -0.6}}\n");
    write("finalseg/prob_emit.py",
          "from __future__ import unicode_literals\n\nP={'B': {'\\u5F20': -2.0,},\n 'E': "
          "{u'三': -2.0}, \"M\": {}, 'S': {}}\n");
  }
  std::string error() const {
    try {
      load_chinese_words(folder_);
    } catch (const core::UserError& thrown) {
      return thrown.what();
    }
    return "no error";
  }
  void expect_error(const std::string& file, const std::string& text, const std::string& part) {
    write_all();
    write(file, text);
    EXPECT_NE(error().find(part), std::string::npos) << error() << " of [" << text << "]";
  }
  static std::vector<std::string> cut(const ChineseWords& words, std::string_view utf8) {
    const std::u32string text = to_code_points(utf8);
    std::vector<std::string> found;
    for (const std::u32string_view word : words.cut(text)) found.push_back(to_utf8(word));
    return found;
  }

  fs::path folder_;
};

using Words = std::vector<std::string>;

TEST_F(ChineseWordsTest, CutsAsJiebaByTheSameFiles) {
  const auto words = load_chinese_words(golden_file("chinese_words"));
  std::ifstream in(golden_file("chinese_words/cuts.json"), std::ios::binary);
  const auto cuts = nlohmann::json::parse(in).get<std::vector<std::vector<std::size_t>>>();
  ASSERT_GE(cuts.size(), 400u);
  const MetricPairs pairs;
  const auto groups = pairs.groups({"chinese", "chinese", "chinese", "spaces"});
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    data::CounterRandom random({13, i});
    std::string utf8;
    for (const std::string& piece : pairs.pieces(random, groups, 1 + i % 24)) utf8 += piece;
    const std::u32string text = to_code_points(utf8);
    std::vector<std::size_t> lengths;
    for (const std::u32string_view word : words->cut(text)) lengths.push_back(word.size());
    ASSERT_EQ(lengths, cuts[i]) << i << ": " << utf8;
  }
}

TEST_F(ChineseWordsTest, AFewByHand) {
  write_all();
  const auto words = load_chinese_words(folder_);
  EXPECT_EQ(cut(*words, ""), Words());
  EXPECT_EQ(cut(*words, "北京大学"), Words({"北京", "大学"}));
  // The tables know a name that the dictionary does not.
  EXPECT_EQ(cut(*words, "大张三。"), Words({"大", "张三", "。"}));
  EXPECT_EQ(cut(*words, "abc 3.14%x\r\n\t!"), Words({"abc", " ", "3.14%", "x", "\r\n", "\t", "!"}));
  EXPECT_EQ(load_chinese_words(folder_), words);  // read once
}

TEST_F(ChineseWordsTest, ReadsFilesOfCppjieba) {
  const fs::path folder = folder_ / "cppjieba";
  fs::create_directories(folder);
  write("cppjieba/jieba.dict.utf8", "北京 10 ns\n大 7 a\n");
  std::string model =
      "#prob_start\n-0.5 -3.14e+100 -3.14e+100 -1.0\n#prob_trans 4x4 matrix\n"
      "-3.14e+100 -0.5 -1.0 -3.14e+100\n-0.6 -3.14e+100 -3.14e+100 -0.7\n"
      "-3.14e+100 -0.3 -1.2 -3.14e+100\n-0.7 -3.14e+100 -3.14e+100 -0.6\n"
      "#prob_emit 4 lines\n#B\n张:-2.0,李:-2\n#E\n三:-2.0\n#M\n四:-2.0\n#S\n五:-2.0\n";
  write("cppjieba/hmm_model.utf8", model);
  EXPECT_EQ(cut(*load_chinese_words(folder), "大张三五"), Words({"大", "张三", "五"}));
  for (std::size_t size = 0; size + 8 < model.size(); size += 5) {  // cut short
    write("cppjieba/hmm_model.utf8", model.substr(0, size));
    EXPECT_THROW(read_cppjieba_tables(folder / "hmm_model.utf8"), core::UserError) << size;
  }
}

TEST_F(ChineseWordsTest, BadFilesAreErrorsWithTheirPlace) {
  EXPECT_NE(error().find("holds neither"), std::string::npos) << error();
  expect_error("dict.txt", "", "no word");
  expect_error("dict.txt", "北京 0\n", "no word");
  expect_error("dict.txt", "北京 3\n\n", "dict.txt:2: expected a word and its frequency");
  for (const std::string bad : {"北京", "北京 x", "北京 -1", "北京 1.5", "北京 99999999999", "5",
                                "北京\t5", "北京  5", "北京 5x n"}) {
    expect_error("dict.txt", bad, "dict.txt:1: expected a word and its frequency");
  }
  expect_error("dict.txt", std::string("北\0京 5", 8), "expected a word");
  expect_error("dict.txt", "\xff 5\n", "dict.txt:1: not UTF-8");
  expect_error("finalseg/prob_start.py", "P=3", "prob_start.py:1: the rest is missing");
  expect_error("finalseg/prob_start.py", "P={'X': 1}", "expected a state");
  expect_error("finalseg/prob_trans.py", "P={'B': 1}", "prob_trans.py:1: expected a dictionary");
  expect_error("finalseg/prob_emit.py", "P={\n'B': {'\\u4e0g': -1}}",
               "prob_emit.py:2: expected four");
  expect_error("finalseg/prob_emit.py", "P={'B': {'\\n': -1}}", "expected an escape");
  expect_error("finalseg/prob_emit.py", "P={'B': {'ab': -1}}", "expected one character");
  expect_error("finalseg/prob_emit.py", "P={'B': {'a': nan}}", "expected a number");
  expect_error("finalseg/prob_emit.py", "P={'B': {'a': -1e999}}", "expected a number");
  expect_error("finalseg/prob_emit.py", "P={'B': {'a': -1 'b': 2}}", "expected a comma");
}

TEST_F(ChineseWordsTest, FilesCutShortNeverCrash) {
  for (const char* name : {"dict.txt", "finalseg/prob_trans.py", "finalseg/prob_emit.py"}) {
    write_all();
    std::ifstream in(folder_ / name, std::ios::binary);
    const std::string whole(std::istreambuf_iterator<char>(in), {});
    for (std::size_t size = 0; size < whole.size(); size += 3) {
      write(name, whole.substr(0, size));
      error();
    }
  }
}

}  // namespace
}  // namespace unfold::eval
