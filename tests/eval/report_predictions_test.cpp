// Reading predictions: ours, other programs', damaged ones.
#include "eval/report/predictions.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/file.h"
#include "eval/report/predicted_rows.h"
#include "eval/report/text_clip.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  core::create_folder(file.parent_path());
  core::write_file_atomically(file, text);
}

TEST(Predictions, ReadsWhatAnEvaluationWrites) {
  const test::TempFolder folder;
  write(
      folder / "predictions/gsa@8/rag.nq.jsonl",
      R"({"pred": "Paris", "answers": ["Paris", "the city"], "all_classes": null, "length": 9,)"
      R"( "id": "q1", "index": 0, "metric": "subspan_em", "score": 1, "scores": {"subspan_em": 1,)"
      R"( "f1": 0.5}, "attended": 310.5, "seconds": 0.25, "prompt_tokens": 1500,)"
      R"( "new_tokens": 3, "question": "Where?", "tags": {"gold": 3, "depth": 0.5,)"
      R"( "context": 4096}, "unfolded": [{"text": "In Paris", "share": 0.8}]})"
      "\n");
  const Predictions read = read_run_predictions(folder.path());
  ASSERT_EQ(read.files.size(), 1u);
  const PredictionFile& file = read.files[0];
  EXPECT_EQ(file.task, "rag.nq");
  EXPECT_EQ(file.method, "gsa");
  EXPECT_EQ(file.ratio, 8);
  EXPECT_EQ(file.metric, "subspan_em");
  EXPECT_EQ(file.more_metrics, std::vector<std::string>{"f1"});
  ASSERT_EQ(file.samples.size(), 1u);
  const PredictedSample& sample = file.samples[0];
  EXPECT_EQ(sample.id, "q1");
  EXPECT_EQ(sample.score, 1);
  EXPECT_EQ(sample.more_scores, std::vector<double>{0.5});
  EXPECT_EQ(sample.attended, 310.5);
  EXPECT_EQ(sample.seconds, 0.25);
  EXPECT_EQ(sample.prompt_tokens, 1500);
  EXPECT_EQ(sample.gold, 3);
  EXPECT_EQ(sample.depth, 0.5);
  EXPECT_EQ(sample.context, 4096);
  ASSERT_TRUE(sample.text.has_value());
  EXPECT_EQ(sample.text->question, "Where?");
  EXPECT_EQ(sample.text->answers.size(), 2u);
  ASSERT_EQ(sample.text->unfolded.size(), 1u);
  EXPECT_EQ(sample.text->unfolded[0].share, 0.8);
  EXPECT_EQ(read.unreadable_lines, 0);
}

TEST(Predictions, OtherProgramsWriteLess) {
  const test::TempFolder folder;
  write(folder / "predictions/llama2/qasper.jsonl",
        "{\"pred\": \"a\", \"answers\": [\"b\", 7], \"all_classes\": [], \"length\": 4}\n\n"
        "{\"pred\": \"c\", \"score\": \"high\", \"tags\": 3, \"id\": 9, \"unfolded\": [1, {}]}");
  const Predictions read = read_run_predictions(folder.path());
  ASSERT_EQ(read.files.size(), 1u);
  EXPECT_EQ(read.files[0].method, "llama2");
  EXPECT_EQ(read.files[0].ratio, 1);
  ASSERT_EQ(read.files[0].samples.size(), 2u);
  EXPECT_EQ(read.files[0].samples[1].id, "#1");
  EXPECT_TRUE(std::isnan(read.files[0].samples[1].score));
  EXPECT_EQ(read.files[0].samples[0].text->answers, std::vector<std::string>{"b"});
  EXPECT_EQ(read.unreadable_lines, 0);
}

TEST(Predictions, WhatIsNoneIsCountedAndNamed) {
  const test::TempFolder folder;
  const std::string good = "{\"pred\": \"a\", \"id\": \"x\", \"score\": 0.5}\n";
  write(folder / "predictions/full@1/needle.jsonl",
        good + "[1, 2]\n" + "{\"answers\": []}\n" + std::string(100'000, '[') + "\n" +
            "{\"pred\": \"\xff\"}\n" + good + "{\"pred\": \"torn");
  write(folder / "predictions/full@1/notes.txt", "not a prediction");
  write(folder / "predictions/stray.jsonl", good);
  const Predictions read = read_run_predictions(folder.path());
  ASSERT_EQ(read.files.size(), 1u);
  EXPECT_EQ(read.files[0].samples.size(), 2u);
  EXPECT_EQ(read.unreadable_lines, 5);
  ASSERT_EQ(read.problems.size(), 5u);
  EXPECT_EQ(read.problems[0], "predictions/full@1/needle.jsonl:2: not a JSON object");
  EXPECT_EQ(read.problems[1], "predictions/full@1/needle.jsonl:3: no text 'pred'");
  EXPECT_EQ(read.problems[4], "predictions/full@1/needle.jsonl:7: cut off");
}

TEST(Predictions, NoneAreNoObstacle) {
  const test::TempFolder folder;
  EXPECT_TRUE(read_run_predictions(folder.path()).empty());
  write(folder / "predictions/gsa@8/empty.jsonl", "");
  write(folder / "predictions/@8/odd.jsonl", "{\"pred\": \"\"}\n");
  write(folder / "predictions/gsa@x/odd.jsonl", "{\"pred\": \"\"}\n");
  const Predictions read = read_run_predictions(folder.path());
  ASSERT_EQ(read.files.size(), 3u);
  EXPECT_EQ(read.files[0].method, "@8");
  EXPECT_TRUE(read.files[1].samples.empty());
  EXPECT_EQ(read.files[2].method, "gsa@x");
}

TEST(Predictions, TextsAreKeptOfTheSameSamples) {
  const test::TempFolder folder;
  for (const char* method : {"full@1", "gsa@8"}) {
    std::string lines;
    for (int i = 0; i < 1000; ++i) {
      lines += fmt::format("{{\"pred\": \"{}\", \"id\": \"{}\"}}\n", method, i);
    }
    write(folder / (std::string("predictions/") + method + "/t.jsonl"), lines);
  }
  const Predictions read = read_run_predictions(folder.path());
  std::vector<std::size_t> kept[2];
  for (std::size_t f = 0; f < 2; ++f) {
    for (const PredictedSample& sample : read.files[f].samples) {
      if (sample.text) kept[f].push_back(sample.place);
    }
  }
  EXPECT_EQ(kept[0].size(), kTextsPerTask);
  EXPECT_EQ(kept[0], kept[1]);
  EXPECT_EQ(kept[0].front(), 0u);
  EXPECT_EQ(kept[0].back(), 999u);
}

TEST(Predictions, RowsAreMadeOfThemWhereThereAreNone) {
  Predictions predictions;
  PredictionFile file{.task = "t", .method = "gsa", .ratio = 8, .metric = "f1"};
  for (const double score : {0.0, 0.5, 1.0, 0.5}) {
    PredictedSample sample;
    sample.score = score;
    sample.attended = 10;
    file.samples.push_back(sample);
  }
  file.samples.emplace_back();  // without a score
  predictions.files = {file};
  std::vector<ResultRow> rows;
  EXPECT_EQ(complete_rows(predictions, rows), 1u);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].value, 0.5);
  EXPECT_EQ(rows[0].n, 4);
  EXPECT_EQ(rows[0].metric, "f1");
  EXPECT_EQ(rows[0].attended, 10);
  EXPECT_LT(rows[0].low, 0.5);
  EXPECT_GT(rows[0].high, 0.5);
  rows[0].low = std::nan("");
  EXPECT_EQ(complete_rows(predictions, rows), 0u);
  EXPECT_LT(rows[0].low, 0.5) << "an interval that was missing";
  rows[0].task = "t.1024";
  EXPECT_EQ(complete_rows(predictions, rows), 0u) << "its rows stand under names of its parts";
}

TEST(ClipText, CutsBetweenCharacters) {
  EXPECT_EQ(clip_text("short", 5), "short");
  EXPECT_EQ(clip_text("longer", 4), "long \u2026");
  EXPECT_EQ(clip_text("a\u4f60b", 3), "a \u2026") << "no half character";
  EXPECT_EQ(clip_text("0123456789", 6, true), "0123 \u2026 89");
  EXPECT_EQ(clip_text("\u4f60\u4f60\u4f60", 4, true), " \u2026 ");
  EXPECT_EQ(clip_text(std::string(5, '\x80'), 3), " \u2026") << "not UTF-8 at all";
}

}  // namespace
}  // namespace unfold::eval
