// The metrics against the official code: tests/golden/make_longbench_metrics.py.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "eval/metrics/answer_metrics.h"
#include "eval/metrics/answer_text.h"
#include "eval/metrics/edit_similarity.h"
#include "eval/metrics/label_metrics.h"
#include "eval/metrics/python_text.h"
#include "eval/metrics/rouge.h"
#include "tests/eval/metric_pairs.h"

namespace unfold::eval {
namespace {

using nlohmann::json;

const json& golden() {
  static const json file = [] {
    std::ifstream in(golden_file("longbench_metrics.json"), std::ios::binary);
    return json::parse(in);
  }();
  return file;
}

using Score = std::function<double(const MetricPair&)>;

void expect_official(const std::string& name, std::uint64_t number, double tolerance,
                     const Score& score) {
  const MetricPairs pairs;
  const json& entry = golden().at("metrics").at(name);
  const auto values = entry.at("values").get<std::vector<double>>();
  const auto scores = entry.at("scores").get<std::vector<int>>();
  ASSERT_GE(scores.size(), 5000u);
  std::uint64_t hash = kHashStart;
  int wrong = 0;
  for (std::size_t i = 0; i < scores.size() && wrong < 5; ++i) {
    const MetricPair pair = pairs.make(name, number, i);
    hash = hash_text(hash_text(hash, pair.prediction), pair.answer);
    for (const std::string& one : pair.classes) hash = hash_text(hash, one);
    double expected = -1;  // the official code fails, and so must ours
    double found = -1;
    if (scores[i] >= 0) expected = values[static_cast<std::size_t>(scores[i])];
    try {
      found = score(pair);
    } catch (const core::UserError&) {
    }
    if (std::abs(found - expected) <= tolerance) continue;
    ++wrong;
    ADD_FAILURE() << name << " pair " << i << ": " << found << ", official " << expected << "\n["
                  << pair.prediction << "]\n[" << pair.answer << "]";
  }
  ASSERT_EQ(wrong, 0);
  EXPECT_EQ(fmt::format("{:016x}", hash), entry.at("hash").get<std::string>())
      << "the pairs are not those of the golden file";
}

Score plain(double (*score)(std::string_view, std::string_view)) {
  return [score](const MetricPair& pair) { return score(pair.prediction, pair.answer); };
}

// The numbers are places in the list METRICS of the script.
TEST(LongBenchMetrics, AnswerF1) {
  expect_official("qa_f1", 0, 0, plain(answer_f1));
}
TEST(LongBenchMetrics, Rouge) {
  expect_official("rouge", 1, 1e-12, plain(rouge_l));
}
TEST(LongBenchMetrics, ExactMatch) {
  expect_official("exact_match", 2, 0, plain(exact_match));
}
TEST(LongBenchMetrics, SubspanMatch) {
  expect_official("subspan", 3, 0, plain(subspan_match));
}
TEST(LongBenchMetrics, Classification) {
  expect_official("classification", 6, 0, [](const MetricPair& pair) {
    return class_score(pair.prediction, pair.answer, pair.classes);
  });
}
TEST(LongBenchMetrics, Retrieval) {
  expect_official("retrieval", 7, 0, plain(paragraph_score));
}
TEST(LongBenchMetrics, ChineseRetrieval) {
  expect_official("retrieval_zh", 8, 0, plain(chinese_paragraph_score));
}
TEST(LongBenchMetrics, Count) {
  expect_official("count", 9, 0, plain(count_score));
}
TEST(LongBenchMetrics, CodeSimilarity) {
  expect_official("code_sim", 10, 0, plain(code_similarity));
}

// jieba's own dictionary, where the machine has it and it is not cppjieba's, which differs a
// little.
class ChineseMetrics : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      words_ = load_chinese_words();
    } catch (const core::UserError& error) {
      GTEST_SKIP() << "needs jieba's dictionary: " << error.what();
    }
    const std::u32string telling = U"4S店";  // a word of jieba's that cppjieba lacks
    if (words_->cut(telling).size() != 1)
      GTEST_SKIP() << "needs jieba's dictionary, not cppjieba's";
  }
  Score chinese(double (*score)(const ChineseWords&, std::string_view, std::string_view)) {
    return [this, score](const MetricPair& pair) {
      return score(*words_, pair.prediction, pair.answer);
    };
  }
  std::shared_ptr<const ChineseWords> words_;
};

TEST_F(ChineseMetrics, AnswerF1) {
  expect_official("qa_f1_zh", 4, 0, chinese(chinese_answer_f1));
}
TEST_F(ChineseMetrics, Rouge) {
  expect_official("rouge_zh", 5, 1e-12, chinese(chinese_rouge_l));
}

TEST(LongBenchMetrics, EveryCharacterIsWhatPythonTakesItFor) {
  std::uint64_t lower = kHashStart, sigma = kHashStart, split = kHashStart, normal = kHashStart,
                chinese = kHashStart, number = kHashStart;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::u32string one(1, c);
    lower = hash_text(lower, to_utf8(python_lower(one)));
    sigma = hash_text(sigma, to_utf8(python_lower(one + U"\u03a3" + one)));
    const std::u32string text = U"x" + one + U"x";
    std::u32string parts;
    for (const std::u32string_view part : python_split(text)) {
      if (!parts.empty()) parts += U'|';
      parts += part;
    }
    split = hash_text(split, to_utf8(parts));
    normal = hash_text(normal, to_utf8(normalize_answer(one + U"the" + one)));
    chinese = hash_text(chinese, to_utf8(normalize_chinese_answer(one)));
    number = hash_text(number, find_numbers(one).empty() ? "0" : "1");
  }
  const auto expect = [](std::uint64_t hash, const char* name) {
    EXPECT_EQ(fmt::format("{:016x}", hash), golden().at("characters").at(name).get<std::string>())
        << name;
  };
  expect(lower, "lower");
  expect(sigma, "final_sigma");
  expect(split, "split");
  expect(normal, "normal");
  expect(chinese, "normal_zh");
  expect(number, "number");
}

}  // namespace
}  // namespace unfold::eval
