#include "eval/predictions/prediction.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "eval/predictions/prediction_store.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

Prediction example(std::int64_t index = 3) {
  Prediction one;
  one.pred = "caf\u00e9 \"quoted\"\n<b>\u2028";
  one.answers = {"caf\u00e9", ""};
  one.all_classes = {"a", "b"};
  one.length = 1234;
  one.id = "id-3";
  one.index = index;
  one.scores = {{"subspan_em", 1.0 / 3}, {"em", 0}};
  one.attended = 310.123456789012345;
  one.seconds = 0.1;
  one.prompt_tokens = 99;
  one.new_tokens = 5;
  one.question = "what?";
  one.tags = {{"depth", 0.5}, {"gold", 3}};
  one.unfolded = {{"chunk", 0.75}};
  return one;
}

TEST(Prediction, ReadsBackToTheLastBit) {
  Prediction one = example();
  EXPECT_EQ(parse_prediction(to_json_line(one), "x:1"), one);
  EXPECT_EQ(to_json_line(one).find('\n'), std::string::npos);
  one.all_classes = std::nullopt;
  one.scores.clear();
  one.tags.clear();
  one.unfolded.clear();
  EXPECT_EQ(parse_prediction(to_json_line(one), "x:1"), one);
  EXPECT_EQ(to_json_line(one).rfind(R"({"pred":)", 0), 0u);
  EXPECT_NE(to_json_line(one).find(R"("all_classes":null,"length":1234)"), std::string::npos);
}

TEST(Prediction, FilesOfOtherProgramsHaveFourMembers) {
  const Prediction one = parse_prediction(
      R"({"pred": "a", "answers": ["b"], "all_classes": null, "length": 7, "more": [1]})", "x:1");
  EXPECT_EQ(one.pred, "a");
  EXPECT_EQ(one.answers, std::vector<std::string>{"b"});
  EXPECT_FALSE(one.all_classes.has_value());
  EXPECT_EQ(one.length, 7);
}

TEST(Prediction, BadLinesAreErrors) {
  for (const char* line : {"", "{", "[]", "3", R"({"pred": "a"})", R"({"pred": 1, "answers": []})",
                           R"({"pred": "a", "answers": "b"})", R"({"pred": "a", "answers": [1]})",
                           R"({"pred": "a", "answers": [], "length": "x"})",
                           R"({"pred": "a", "answers": [], "tags": {"depth": "x"}})",
                           R"({"pred": "a", "answers": [], "unfolded": [3]})",
                           R"({"pred": "a", "answers": [], "scores": {"f1": 1e999}})"}) {
    EXPECT_EQ(user_error([&] {
                parse_prediction(line, "p.jsonl:4");
              }).rfind("[predictions] p.jsonl:4: ", 0),
              0u)
        << line;
  }
  const std::string deep = R"({"pred": "a", "answers": )" + std::string(100000, '[');
  EXPECT_NE(user_error([&] { parse_prediction(deep, "p:1"); }).find("p:1"), std::string::npos);
}

using Batches = std::vector<std::vector<std::int64_t>>;
const Batches kBatches = {{4, 2}, {0}, {3, 1}};

class Store : public testing::Test {
 protected:
  PredictionStore store(PredictionStore::Place place = {}) {
    return {folder_ / "gsa@8", "rag.x", 5, place};
  }
  static std::vector<Prediction> some(const std::vector<std::int64_t>& indices) {
    std::vector<Prediction> batch;
    for (const std::int64_t i : indices) batch.push_back(example(i));
    return batch;
  }
  std::filesystem::path part() const { return folder_ / "gsa@8/unfinished/rag.x.0-of-1.jsonl"; }
  TempFolder folder_;
};

TEST_F(Store, PutsSamplesIntoTheirOrder) {
  EXPECT_EQ(method_folder("gsa", 8), "gsa@8");
  EXPECT_EQ(method_folder("h_gsa", 10.5), "h_gsa@10.5");
  PredictionStore own = store();
  EXPECT_EQ(own.prepare("made\n", true), "");
  EXPECT_FALSE(own.complete());
  EXPECT_EQ(own.open(kBatches), kBatches);
  for (const auto& batch : kBatches) own.append(some(batch));
  own.finish();
  EXPECT_TRUE(own.complete());
  EXPECT_FALSE(std::filesystem::exists(part()));
  const std::vector<Prediction> all = own.predictions();
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i], example(static_cast<std::int64_t>(i)));
  }
  // Found again, and only for the same.
  EXPECT_EQ(store().prepare("made\n", true), "");
  EXPECT_TRUE(store().complete());
  EXPECT_EQ(store().prepare("made\nin another way\n", true),
            "made of something else: now it is in another way");
  EXPECT_FALSE(store().complete());
  EXPECT_EQ(read_predictions(folder_ / "gsa@8/earlier/rag.x.jsonl").size(), 5u);
}

// Killed anywhere while it wrote: whole batches stay, the rest is evaluated again.
TEST_F(Store, GoesOnBehindTheLastWholeBatch) {
  PredictionStore first = store();
  first.prepare("made\n", true);
  first.open(kBatches);
  first.append(some(kBatches[0]));
  const std::size_t whole = std::filesystem::file_size(part());
  first.append(some(kBatches[1]));
  const std::string text = core::read_text_file(part());
  for (std::size_t size = 0; size < text.size(); size += 7) {
    core::write_file_atomically(part(), std::string_view(text).substr(0, size));
    PredictionStore again = store();
    EXPECT_EQ(again.prepare("made\n", true), "");
    const Batches left = again.open(kBatches);
    EXPECT_EQ(left, size < whole ? kBatches : Batches({{0}, {3, 1}})) << size;
    for (const auto& batch : left) again.append(some(batch));
    again.finish();
    EXPECT_EQ(again.predictions().size(), 5u);
    std::filesystem::remove(folder_ / "gsa@8/rag.x.jsonl");
  }
}

TEST_F(Store, ManyProcessesShareASampleEach) {
  const Batches halves[2] = {{{4, 2}}, {{0}, {3, 1}}};
  PredictionStore root = store({0, 2});
  root.prepare("made\n", true);
  PredictionStore other = store({1, 2});
  EXPECT_EQ(root.open(halves[0]), halves[0]);
  EXPECT_EQ(other.open(halves[1]), halves[1]);
  other.append(some({0}));
  root.append(some({4, 2}));
  // One process alone goes on with what two had.
  PredictionStore alone = store();
  EXPECT_EQ(alone.prepare("made\n", true), "");
  EXPECT_EQ(alone.open(Batches({{0, 1, 2, 3, 4}})), Batches({{1, 3}}));
  alone.append(some({1, 3}));
  alone.finish();
  EXPECT_EQ(alone.predictions().size(), 5u);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "gsa@8/unfinished"));
}

TEST_F(Store, WithoutResumeItBeginsAnew) {
  PredictionStore own = store();
  own.prepare("made\n", true);
  own.open(kBatches);
  own.append(some({4, 2}));
  EXPECT_EQ(store().prepare("made\n", false), "");
  EXPECT_EQ(store().open(kBatches), kBatches);
}

TEST_F(Store, DamageNamesFileAndLine) {
  core::write_file_atomically(folder_ / "p.jsonl", to_json_line(example()) + "\n\n{\"pred\":\n");
  EXPECT_NE(user_error([&] { read_predictions(folder_ / "p.jsonl"); }).find("p.jsonl:3"),
            std::string::npos);
}

}  // namespace
}  // namespace unfold::eval
