// Scores of data sets: which metric, of what part of the prediction, and how they become one
// number.
#include "eval/metrics/dataset_metric.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <string>

#include "core/error.h"
#include "data/counter_random.h"
#include "eval/metrics/dataset_score.h"
#include "eval/metrics/edit_similarity.h"
#include "eval/metrics/prediction_lines.h"
#include "eval/metrics/rouge.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const core::UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(DatasetMetric, EveryDatasetHasItsMetric) {
  EXPECT_EQ(longbench_datasets().size(), 21u);
  EXPECT_EQ(DatasetMetric::of("hotpotqa").name(), "f1");
  EXPECT_EQ(DatasetMetric::of("longbench.gov_report").name(), "rouge_l");
  EXPECT_EQ(DatasetMetric::of("longbench_e.trec").name(), "accuracy");
  EXPECT_EQ(DatasetMetric::of("passage_retrieval_zh").name(), "retrieval");
  EXPECT_EQ(DatasetMetric::of("passage_count").name(), "count");
  EXPECT_EQ(DatasetMetric::of("repobench-p").name(), "edit_similarity");
  const auto rag = DatasetMetric::all_of("rag.nq");
  ASSERT_EQ(rag.size(), 3u);
  EXPECT_EQ(rag[0].name(), "subspan_em");
  EXPECT_EQ(rag[1].name(), "em");
  EXPECT_EQ(rag[2].name(), "f1");
  for (const std::string name : {"", "hotpot", "hotpotqa_e", "ragged", "longbench."}) {
    const std::string error = error_of([&] { DatasetMetric::of(name); });
    EXPECT_NE(error.find("unknown data set"), std::string::npos) << error;
    EXPECT_NE(error.find("narrativeqa"), std::string::npos) << error;
  }
}

TEST(DatasetMetric, TakesTheBestAnswerAndTheFirstLineWhereTheOfficialScorerDoes) {
  const auto score = [](const char* dataset, const ScoredSample& sample) {
    return DatasetMetric::of(dataset).score(sample);
  };
  EXPECT_EQ(score("hotpotqa", {"The Paris.", {"London", "paris"}}), 1);
  EXPECT_EQ(score("hotpotqa", {"Paris", {}}), 0);
  EXPECT_EQ(score("triviaqa", {"\n\nParis\nLondon", {"Paris"}}), 1);
  EXPECT_EQ(score("hotpotqa", {"\n\nParis\nLondon", {"Paris"}}), 2 * 0.5 * 1 / 1.5);
  EXPECT_EQ(score("trec", {"Food\nDate", {"Food"}, {"Food", "Date"}}), 1);
  EXPECT_EQ(score("trec", {"Food Date", {"Food"}, {"Food", "Date"}}), 0.5);
  EXPECT_EQ(score("passage_count", {"5 or 6", {"5"}}), 0.5);
  EXPECT_EQ(score("passage_retrieval_en", {"12 and 12", {"Paragraph 12"}}), 1);
  EXPECT_EQ(score("lcc", {"\n# comment\nreturn x\nreturn y", {"return x"}}), 1);
  EXPECT_EQ(score("lcc", {"// only a comment", {"return x"}}), 0);
  EXPECT_EQ(score("rag", {"It is in New Paris, France", {"the paris france"}}), 1);
  EXPECT_EQ(score("rag", {"", {"Paris"}}), 0);
  const std::string classes = error_of([&] { score("trec", {"Food", {"Food"}}); });
  EXPECT_NE(classes.find("all_classes"), std::string::npos) << classes;
  const std::string paragraph = error_of([&] {
    score("passage_retrieval_en", {"1", {"Paragraph"}});
  });
  EXPECT_NE(paragraph.find("names no paragraph"), std::string::npos) << paragraph;
}

TEST(DatasetMetric, ChineseSetsNeedADictionaryThatIsThere) {
  const std::string error = error_of([] { DatasetMetric::of("vcsum", "no/such/folder"); });
  EXPECT_NE(error.find("no/such/folder: holds neither dict.txt"), std::string::npos) << error;
  EXPECT_EQ(DatasetMetric::of("hotpotqa", "no/such/folder").name(), "f1");  // needs none
}

TEST(DatasetMetric, LongTextsNeitherCrashNorTakeForever) {
  std::string words, letters;
  for (int i = 0; i < 20000; ++i) {
    words += "word" + std::to_string(i % 7) + " ";
    letters += static_cast<char>('a' + i * i % 23);
  }
  EXPECT_EQ(rouge_l(words, words), 0);  // as the package, which gives up
  EXPECT_EQ(rouge_l(words, "word3"), 2.0 * ((1 / 7.0) / (1 / 7.0 + 1 + 1e-8)));
  EXPECT_GT(code_similarity(letters, letters + "x"), 0.0);
  // Popular characters begin no match, but lengthen the empty one at the beginning.
  EXPECT_EQ(code_similarity(std::string(20000, 'a'), std::string(20001, 'a')), 1);
  EXPECT_EQ(code_similarity("b" + std::string(20000, 'a'), std::string(20001, 'a')), 0);
}

TEST(DatasetScore, RoundsAsThePythonScorerDoes) {
  EXPECT_EQ(dataset_score(std::vector<double>{1.0, 0.0, 0.0}), 33.33);
  EXPECT_EQ(dataset_score(std::vector<double>{1.0}), 100.0);
  EXPECT_EQ(dataset_score(std::vector<double>{0.01115}), 1.11);  // 1.115 is a little less
  const auto buckets = bucket_scores(std::vector<double>{0.01115, 1, 0.5, 0.5},
                                     std::vector<std::int64_t>{3999, 8000, 100000, 12});
  EXPECT_EQ(buckets[0], 25.56);
  EXPECT_TRUE(std::isnan(buckets[1]));
  EXPECT_EQ(buckets[2], 75.0);
  // numpy multiplies by 100 before it rounds, which makes 1.115 a little more.
  EXPECT_EQ(bucket_scores(std::vector<double>{0.01115}, std::vector<std::int64_t>{4000})[1], 1.12);
  EXPECT_NE(error_of([] { dataset_score({}); }).find("no predictions"), std::string::npos);
}

class PredictionLinesTest : public ::testing::Test {
 protected:
  PredictionLinesTest()
      : file_(fs::temp_directory_path() / fmt::format("unfold_lines_{}.jsonl", ::getpid())) {}
  ~PredictionLinesTest() override {
    std::error_code ignored;
    fs::remove(file_, ignored);
  }
  std::vector<PredictionLine> read(const std::string& text) const {
    std::ofstream(file_, std::ios::binary) << text;
    return read_prediction_lines(file_);
  }
  std::string error(const std::string& text) const {
    return error_of([&] { read(text); });
  }
  fs::path file_;
};

TEST_F(PredictionLinesTest, TakeOursAndAnybodys) {
  const auto lines = read(
      "{\"pred\": \"a\\u4e2d\", \"answers\": [\"b\", \"\"], \"all_classes\": null, \"length\": "
      "7}\r\n"
      "\n"
      "{\"score\": 0.5, \"answers\": [], \"pred\": \"\", \"all_classes\": [\"c\"], \"tags\": {}}");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].sample.pred, "a\u4e2d");
  EXPECT_EQ(lines[0].sample.answers, std::vector<std::string>({"b", ""}));
  EXPECT_TRUE(lines[0].has_length);
  EXPECT_EQ(lines[0].sample.length, 7);
  EXPECT_EQ(lines[1].line, 3);
  EXPECT_FALSE(lines[1].has_length);
  EXPECT_EQ(lines[1].sample.all_classes, std::vector<std::string>({"c"}));
}

TEST_F(PredictionLinesTest, BadLinesAreErrorsWithTheirPlace) {
  const std::string good = "{\"pred\": \"a\", \"answers\": [\"b\"]}\n";
  for (const auto& [bad, part] : std::vector<std::pair<std::string, std::string>>{
           {"{", "no valid JSON"},
           {"[]", "found array"},
           {"{} {}", "no valid JSON"},
           {"{\"answers\": []}", "expected text in pred: found null"},
           {"{\"pred\": 1, \"answers\": []}", "expected text in pred: found number"},
           {"{\"pred\": \"\"}", "expected a list of texts in answers: found null"},
           {"{\"pred\": \"\", \"answers\": \"b\"}", "expected a list of texts in answers"},
           {"{\"pred\": \"\", \"answers\": [1]}", "expected a list of texts in answers"},
           {"{\"pred\": \"\", \"answers\": [], \"all_classes\": \"x\"}", "in all_classes"},
           {"{\"pred\": \"\", \"answers\": [], \"length\": \"7\"}", "in length: found string"},
           {"{\"pred\": \"\", \"answers\": [], \"length\": 1e300}", "in length"},
           {"{\"pred\": \"\xff\", \"answers\": []}", "not UTF-8"},
           {std::string(100000, '['), "no valid JSON"}}) {
    const std::string found = error(good + bad);
    EXPECT_NE(found.find(file_.string() + ":2: "), std::string::npos) << found;
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }
  EXPECT_NE(error("").find("holds no prediction"), std::string::npos);
  EXPECT_NE(error("\n \r\n").find("holds no prediction"), std::string::npos);
  EXPECT_NE(error_of([] { read_prediction_lines("none.jsonl"); }).find("none.jsonl"),
            std::string::npos);
}

TEST_F(PredictionLinesTest, ErrorsOfTheMetricNameTheLine) {
  const auto lines = read(
      "{\"pred\": \"1\", \"answers\": [\"Paragraph 1\"]}\n\n"
      "{\"pred\": \"1\", \"answers\": [\"none\"]}\n");
  const auto metric = DatasetMetric::of("passage_retrieval_en");
  const std::string error = error_of([&] { score_lines(metric, lines, "x.jsonl"); });
  EXPECT_NE(error.find("x.jsonl:3: the answer names no paragraph"), std::string::npos) << error;
}

}  // namespace
}  // namespace unfold::eval
