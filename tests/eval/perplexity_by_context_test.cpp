#include "eval/tasks/perplexity_by_context.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/eval/row_scores.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

// Text of n different looking words.
std::string text_of(int words) {
  std::string text;
  for (int i = 0; i < words; ++i) text += "word" + std::to_string(i * i % 97) + " ";
  return text;
}

class PerplexityByContext : public testing::Test {
 protected:
  PerplexityByContext() : run_(make_tiny_run(folder_ / "run", {.seed = 2})) {
    texts_ = {text_of(60), "short", text_of(23)};
    settings_.gist = run_.description.gist;
    settings_.val = {write_shard(folder_ / "val.h5", *run_.tokenizer, texts_).string()};
    settings_.eval.by_context.lengths = {8, 50};
    settings_.eval.by_context.targets = 20;
    settings_.eval.by_context.windows = 4;
  }

  static void ignore(std::int64_t) {}

  TempFolder folder_;
  LoadedRun run_;
  EvalSettings settings_;
  std::vector<std::string> texts_;
};

TEST_F(PerplexityByContext, ScoresTheSameTargetsBehindEveryLength) {
  const PerplexityByContextTask task(run_, settings_);
  // Windows of 71 bytes: 5 or 6 in the first text, 2 in the last; 4 of them.
  ASSERT_EQ(task.samples(), 8);
  std::vector<std::string> windows;
  for (const std::string& text : texts_) {
    for (std::size_t at = 0; at + 71 <= text.size(); at += 71)
      windows.push_back(text.substr(at, 71));
  }
  ASSERT_GT(windows.size(), 4u);
  for (const char* name : {"full", "gist_only"}) {
    const Method method = method_from_name(name);
    const std::vector<ResultRow> rows = task.measure(run_, method, ignore);
    ASSERT_EQ(rows.size(), 6u);
    for (std::size_t l = 0; l < 2; ++l) {
      const std::size_t length = l == 0 ? 8 : 50;
      double nats = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        const std::string& window = windows[i * windows.size() / 4];
        const auto tokens = run_.tokenizer->encode(window.substr(50 - length));
        AnsweredPrompt asked;
        asked.prompt = PromptBuilder(run_, settings_.gist)
                           .build(method, std::span(tokens).first(length),
                                  std::span(tokens).subspan(length, 1));
        asked.answer.assign(tokens.begin() + static_cast<std::ptrdiff_t>(length) + 1, tokens.end());
        ASSERT_EQ(asked.answer.size(), 20u);
        for (const float loss : score_as_row(run_.decoder, method, settings_.gist, asked)) {
          nats += loss;
        }
      }
      const ResultRow& loss = rows[3 * l];
      EXPECT_EQ(loss.task, "perplexity_by_context." + std::to_string(length));
      EXPECT_EQ(loss.metric, "loss");
      EXPECT_EQ(loss.n, 80);
      EXPECT_NEAR(loss.value, nats / 80, 1e-4);
      EXPECT_LE(loss.low, loss.value);
      EXPECT_GE(loss.high, loss.value);
      // A target is a byte.
      EXPECT_EQ(rows[3 * l + 1].metric, "bits_per_byte");
      EXPECT_NEAR(rows[3 * l + 1].value, nats / 80 / std::numbers::ln2, 1e-4);
      EXPECT_EQ(rows[3 * l + 2].metric, "perplexity");
      EXPECT_NEAR(rows[3 * l + 2].value, std::exp(loss.value), 1e-6 * std::exp(loss.value));
    }
  }
}

TEST_F(PerplexityByContext, IsMeasuredUnderEveryMethod) {
  const PerplexityByContextTask task(run_, settings_);
  double full = 0;
  for (const std::string& name : method_names()) {
    const std::vector<ResultRow> rows = task.measure(run_, method_from_name(name), ignore);
    ASSERT_EQ(rows.size(), 6u) << name;
    EXPECT_TRUE(std::isfinite(rows[3].value)) << name;
    // Read: all but one of the methods read less than there is.
    if (name == "full") full = rows[3].attended;
    EXPECT_LE(rows[3].attended, full + 14) << name;
    EXPECT_GT(rows[3].attended, 0) << name;
  }
  // The mean of 20 targets behind 50 tokens and one more.
  EXPECT_DOUBLE_EQ(full, 51 + 10.5);
}

TEST_F(PerplexityByContext, InputsThatDoNotDo) {
  const auto error_of = [&](const auto& change) {
    EvalSettings changed = settings_;
    change(changed);
    return user_error([&] { PerplexityByContextTask(run_, changed); });
  };
  EXPECT_EQ(error_of([](EvalSettings& s) { s.eval.by_context.lengths = {4000}; }),
            "[eval] " + settings_.val.front() +
                ": no document of 4021 tokens (eval.by_context.lengths and targets): use longer "
                "texts, or shorter lengths");
  EXPECT_NE(error_of([](EvalSettings& s) { s.val.clear(); }).find("data.val"), std::string::npos);
  EXPECT_NE(error_of([](EvalSettings& s) { s.eval.by_context.lengths.clear(); }).find("is empty"),
            std::string::npos);
  error_of([](EvalSettings& s) { s.val = {"/nowhere"}; });
}

}  // namespace
}  // namespace unfold::eval
