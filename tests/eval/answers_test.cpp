#include "eval/tasks/answers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/file.h"
#include "data/records/record_rows.h"
#include "models/engine.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

constexpr const char* kRecords =
    R"({"system":"Be brief.","context":"a stone and a lamp","question":" ? a","answer":"stone"})"
    "\n"
    R"({"context":["one two three","four five"],"questions":[{"question":" ? x","answer":"y"},)"
    R"({"question":" ? z","answer":"w"}]})"
    "\n";

class AnswersTest : public ::testing::Test {
 protected:
  AnswersTest() : run_(make_tiny_run(folder_ / "run")) {
    core::write_file_atomically(folder_ / "val.jsonl", kRecords);
    settings_.gist = run_.description.gist;
    settings_.format = data::DataFormat::sft;
    settings_.val = {(folder_ / "val.jsonl").string()};
  }

  std::string text(const models::Prompt& prompt) const {
    std::string result;
    for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
      if (static_cast<std::int64_t>(i) == prompt.suffix) result += '#';
      result +=
          prompt.level[i] >= 0 ? std::string("|") : run_.tokenizer->token_bytes(prompt.tokens[i]);
    }
    return result;
  }

  test::TempFolder folder_;
  LoadedRun run_;
  EvalSettings settings_;
};

TEST_F(AnswersTest, AsksTheFirstQuestionBehindGistedSegments) {
  const AnswersTask task(run_, settings_);
  ASSERT_EQ(task.samples(), 2);
  const AnsweredPrompt first = task.sample(run_, method_from_name("gist_only"), 0);
  EXPECT_EQ(text(first.prompt), "Be brief|.|a stone| and| a l|amp|# ? a");
  EXPECT_EQ(first.answer, run_.tokenizer->encode(" stone")) << "no end-of-text token";
  const AnsweredPrompt plain = task.sample(run_, method_from_name("full"), 1);
  EXPECT_EQ(text(plain.prompt), "one two threefour five# ? x");
  EXPECT_EQ(plain.answer, run_.tokenizer->encode(" y"));
}

// As rows of training are: system prompt raw, links behind every segment.
TEST_F(AnswersTest, WithLinksThePromptIsARowOfTraining) {
  const gsa::GistConfig gist = {.chunks = {4}, .sinks = 2, .previous_chunks = 1, .links = 3};
  LoadedRun run = make_tiny_run(folder_ / "linked", {.gist = gist});
  settings_.gist = gist;
  const AnswersTask task(run, settings_);
  const data::RowFormat format = data::make_row_format(*run.tokenizer, gist, 120);
  data::RecordShards shards(settings_.val, *run.tokenizer, format, data::OnLong::error);
  const std::unique_ptr<data::RowSequence> rows = shards.open(0, std::nullopt);
  data::BatchBuilder builder(format);
  rows->add_row(0, builder);
  const data::Batch batch = std::move(builder).build();
  const Method gists = method_from_name("gist_only");
  std::size_t t = 0;
  for (std::int64_t i = 0; i < 2; ++i) {
    const AnsweredPrompt sample = task.sample(run, gists, i);
    const models::Prompt& prompt = sample.prompt;
    ASSERT_EQ(prompt.part.size(), prompt.tokens.size());
    while (t < batch.tokens.size() && batch.layout.document[t] < i) ++t;
    for (std::size_t p = 0; p < prompt.tokens.size(); ++p, ++t) {
      ASSERT_EQ(prompt.tokens[p], batch.tokens[t]) << "sample " << i << " position " << p;
      ASSERT_EQ(prompt.level[p], batch.layout.level[t]);
      ASSERT_EQ(prompt.part[p], batch.layout.part[t]);
    }
    for (const data::TokenId token : sample.answer) ASSERT_EQ(token, batch.tokens[t++]);
  }
  EXPECT_TRUE(task.sample(run, method_from_name("full"), 0).prompt.part.empty());

  // Greedy decoding from such a prompt, under each method; the answers' keys are counted.
  for (const char* name : {"full", "gist_only", "gsa", "h_gsa"}) {
    const std::vector<ResultRow> measured =
        task.measure(run, method_from_name(name), [](std::int64_t) {});
    ASSERT_EQ(measured.size(), 1u);
    EXPECT_EQ(measured[0].n, 2);
    EXPECT_GT(measured[0].attended, 1);
  }
}

// The likeliest tokens of a row scored as in training are what greedy decoding gives.
TEST_F(AnswersTest, WithLinksScoringAndDecodingAgree) {
  const gsa::GistConfig gist = {.chunks = {4}, .sinks = 2, .previous_chunks = 1, .links = 3};
  LoadedRun run = make_tiny_run(folder_ / "linked", {.gist = gist});
  settings_.gist = gist;
  const AnswersTask task(run, settings_);
  const Method method = method_from_name("gist_only");
  AnsweredPrompt sample = task.sample(run, method, 0);
  models::Engine engine(run.decoder, gist, method.policy);
  const models::Engine::Started started = engine.prefill(std::span(&sample.prompt, 1));
  const models::Engine::Continuation next{started.first, sample.answer};
  const core::Tensor logits = engine.extend(std::span(&next, 1));
  const GreedyMatch match = match_greedy(run.decoder, method, gist, std::span(&sample, 1));
  EXPECT_EQ(match.keys_read, engine.decode_reads().keys);

  const data::RowFormat format = data::make_row_format(*run.tokenizer, gist, 120);
  data::RecordShards shards(settings_.val, *run.tokenizer, format, data::OnLong::error);
  data::BatchBuilder builder(format);
  shards.open(0, std::nullopt)->add_row(0, builder);
  const data::Batch batch = std::move(builder).build();
  const MethodScores scores = score(run.decoder, method, gist, batch);
  const std::vector<float> rows = logits.to_vector<float>();
  const std::vector<float> first = started.logits.to_vector<float>();
  const auto classes = static_cast<std::size_t>(logits.dim(1));
  for (std::size_t i = 0; i < sample.answer.size(); ++i) {
    const float* row = i == 0 ? first.data() : rows.data() + (i - 1) * classes;
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c) total += std::exp(static_cast<double>(row[c]));
    const double loss = std::log(total) - row[static_cast<std::size_t>(sample.answer[i])];
    EXPECT_NEAR(scores.loss[sample.prompt.tokens.size() - 1 + i], loss, 1e-4) << i;
  }
}

TEST_F(AnswersTest, MeasuresAsManySamplesAsAskedFor) {
  settings_.eval.samples = 1;
  const AnswersTask task(run_, settings_);
  std::int64_t told = 0;
  const std::vector<ResultRow> rows = task.measure(
      run_, method_from_name("h_gsa"), [&](std::int64_t positions) { told += positions; });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].task, "answers");
  EXPECT_EQ(rows[0].metric, "exact_match");
  EXPECT_EQ(rows[0].n, 1);
  EXPECT_GT(rows[0].attended, 1);
  EXPECT_EQ(told, task.work());
}

TEST_F(AnswersTest, NeedsRecords) {
  const auto error = [&] { return test::user_error([&] { AnswersTask(run_, settings_); }); };
  settings_.val = {};
  EXPECT_NE(error().find("data.val"), std::string::npos);
  settings_.format = data::DataFormat::text;
  EXPECT_NE(error().find("data.format: sft"), std::string::npos);
  settings_.format = data::DataFormat::sft;
  core::write_file_atomically(folder_ / "bad.jsonl", "{\"context\":\"a\",\"question\":\"b\"}\n");
  settings_.val = {(folder_ / "bad.jsonl").string()};
  EXPECT_NE(error().find("bad.jsonl:1"), std::string::npos);
}

}  // namespace
}  // namespace unfold::eval
