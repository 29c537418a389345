#include "eval/tasks/lambada.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/file.h"
#include "eval/greedy_match.h"
#include "tests/eval/row_scores.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

constexpr const char* kRecords =
    "{\"text\": \"The cat sat on the mat and looked at the dog\"}\n"
    "\n"
    "{\"text\": \"Nobody knew where the old key had gone, not even Anna\\n\"}\n"
    "{\"context\": \"a \", \"continuation\": \"b\"}\n";

EvalSettings settings_for(const LoadedRun& run, const std::filesystem::path& file) {
  EvalSettings settings;
  settings.gist = run.description.gist;
  settings.eval.lambada = file.string();
  return settings;
}

void ignore(std::int64_t) {}

TEST(Lambada, OfAUniformModelIsItsVocabulary) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.change = make_uniform});
  core::write_file_atomically(folder / "l.jsonl", kRecords);
  const LambadaTask task(run, settings_for(run, folder / "l.jsonl"));
  ASSERT_EQ(task.samples(), 3);
  const auto vocabulary = static_cast<double>(run.tokenizer->vocab_size());
  for (const char* name : {"full", "gist_only", "gsa", "streaming"}) {
    const std::vector<ResultRow> rows = task.measure(run, method_from_name(name), ignore);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].task, "lambada");
    EXPECT_EQ(rows[0].metric, "accuracy");
    EXPECT_EQ(rows[0].n, 3);
    EXPECT_EQ(rows[1].metric, "perplexity");
    // A word with the space before it: 4, 5 and 2 bytes; the mean is over words.
    EXPECT_NEAR(std::log(rows[1].value), 11.0 / 3 * std::log(vocabulary), 1e-4);
    EXPECT_GT(rows[1].attended, 0);
  }
}

TEST(Lambada, IsTheLossOfTheLastWord) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.seed = 9});
  core::write_file_atomically(folder / "l.jsonl", kRecords);
  const EvalSettings settings = settings_for(run, folder / "l.jsonl");
  const LambadaTask task(run, settings);
  for (const char* name : {"full", "gist_only"}) {
    const Method method = method_from_name(name);
    std::vector<Prediction> predictions(3);
    const std::vector<std::int64_t> all = {0, 1, 2};
    task.predict(run, method, all, [&](Prediction prediction) {
      predictions.at(static_cast<std::size_t>(prediction.index)) = prediction;
    });
    const std::vector<std::pair<std::string, std::string>> texts = {
        {"The cat sat on the mat and looked at the", " dog"},
        {"Nobody knew where the old key had gone, not even", " Anna"},
        {"a", " b"}};
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto context = run.tokenizer->encode(texts[i].first);
      AnsweredPrompt asked;
      asked.prompt = PromptBuilder(run, settings.gist)
                         .build(method, std::span(context).first(context.size() - 1),
                                std::span(context).last(1));
      asked.answer = run.tokenizer->encode(texts[i].second);
      double nats = 0;
      for (const float loss : score_as_row(run.decoder, method, settings.gist, asked)) nats += loss;
      ASSERT_EQ(predictions[i].scores.size(), 2u);
      EXPECT_NEAR(predictions[i].scores[1].value, nats, 1e-3) << name;
      const GreedyMatch match =
          match_greedy(run.decoder, method, settings.gist, std::span(&asked, 1));
      EXPECT_EQ(predictions[i].scores[0].value, match.matches[0]);
      EXPECT_EQ(predictions[i].answers, std::vector<std::string>{texts[i].second.substr(1)});
      EXPECT_EQ(predictions[i].new_tokens, static_cast<std::int64_t>(texts[i].second.size()) + 1);
    }
    EXPECT_EQ(predictions[1].id, "l.jsonl:3");
    EXPECT_EQ(predictions[1].question, "Nobody knew where the old key had gone, not even");
  }
}

TEST(Lambada, BadRecordsAreNamed) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const auto file = folder / "l.jsonl";
  EvalSettings settings = settings_for(run, file);
  const auto error_with = [&](const std::string& line) {
    core::write_file_atomically(file, "{\"text\": \"a b c\"}\n" + line + "\n");
    return user_error([&] { LambadaTask(run, settings); });
  };
  const std::string place = "[eval] " + file.string() + ":2: ";
  for (const char* line : {"{\"text\": \"word\"}", "{\"text\": \"  \"}", "{\"text\": 3}", "{}",
                           "{\"context\": \"a\", \"continuation\": \"\"}", "[]", "{\"text\": \"a b",
                           "{\"text\": \"a b\"} x"}) {
    settings.eval.on_bad_record = OnBadRecord::stop;
    const std::string error = error_with(line);
    EXPECT_EQ(error.rfind(place, 0), 0u) << error;
    settings.eval.on_bad_record = OnBadRecord::skip;
    const LambadaTask task(run, settings);
    EXPECT_EQ(task.samples(), 1);
    EXPECT_EQ(task.skipped(), 1);
  }
  settings.eval.limit = 1;  // the bad one is not reached
  settings.eval.on_bad_record = OnBadRecord::stop;
  EXPECT_EQ(LambadaTask(run, settings).samples(), 1);
  settings.eval.lambada.clear();
  EXPECT_NE(user_error([&] { LambadaTask(run, settings); }).find("eval.lambada"),
            std::string::npos);
  settings.eval.lambada = (folder / "none.jsonl").string();
  user_error([&] { LambadaTask(run, settings); });
}

}  // namespace
}  // namespace unfold::eval
