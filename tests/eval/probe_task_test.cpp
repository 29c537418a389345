#include "eval/tasks/probe.h"

#include <gtest/gtest.h>

#include <set>

#include "core/file.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

EvalSettings settings_for(const LoadedRun& run) {
  EvalSettings settings;
  settings.gist = run.description.gist;
  settings.seed = 11;
  settings.eval.probes.lengths = {1100, 1600};
  settings.eval.probes.depths = 3;
  settings.eval.probes.samples = 2;
  return settings;
}

TEST(ProbeTask, SamplesVisitLengthsAndDepths) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const ProbeTask task("probe.needle", run, settings_for(run));
  EXPECT_EQ(task.name(), "probe.needle");
  ASSERT_EQ(task.samples(), 12);
  std::set<std::string> ids;
  for (std::int64_t i = 0; i < 12; ++i) {
    const GenerationSample sample = task.sample(i);
    EXPECT_TRUE(ids.insert(sample.id).second);
    const std::int64_t length = i < 6 ? 1100 : 1600;
    ASSERT_EQ(sample.segments.size(), 1u);
    EXPECT_LE(static_cast<std::int64_t>(sample.segments[0].size()), length);
    EXPECT_GE(static_cast<std::int64_t>(sample.segments[0].size()), length - 8);
    EXPECT_EQ(sample.length, static_cast<std::int64_t>(sample.segments[0].size()));
    EXPECT_EQ(sample.tags.at("context"), static_cast<double>(length));
    EXPECT_EQ(sample.tags.at("depth"), static_cast<double>(i % 3) / 2);
    const std::string suffix = run.tokenizer->decode(sample.suffix);
    EXPECT_EQ(suffix.rfind("\nQuestion: What is the secret number of the ", 0), 0u) << suffix;
    EXPECT_EQ(suffix.substr(suffix.size() - 3), " is");
    EXPECT_GT(sample.max_new_tokens, 8);
    EXPECT_GE(task.size(i), length);
    EXPECT_EQ(task.score(sample, " " + sample.answers[0] + ".")[0].value, 1);
    EXPECT_EQ(task.score(sample, "1234")[0].value, 0);
    EXPECT_EQ(task.score(sample, "")[0].metric, "string_match");
  }
}

TEST(ProbeTask, DocumentsAreSegments) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const ProbeTask task("probe.qa_distractors", run, settings_for(run));
  const GenerationSample sample = task.sample(2);
  EXPECT_EQ(run.tokenizer->decode(sample.system).rfind("Answer the question", 0), 0u);
  ASSERT_GT(sample.segments.size(), 2u);
  EXPECT_EQ(run.tokenizer->decode(sample.segments[1]).rfind("Document [2](Title: ", 0), 0u);
  const std::string suffix = run.tokenizer->decode(sample.suffix);
  EXPECT_EQ(suffix.substr(suffix.size() - 8), "\nAnswer:");
}

TEST(ProbeTask, PasskeyIsScoredByTheFirstInteger) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const ProbeTask task("probe.passkey", run, settings_for(run));
  const GenerationSample sample = task.sample(0);
  EXPECT_EQ(task.score(sample, sample.answers[0]), (std::vector<SampleScore>{{"accuracy", 1.0}}));
  EXPECT_EQ(task.score(sample, "1 " + sample.answers[0])[0].value, 0);
}

TEST(ProbeTask, SettingsTellWhatSamplesDependOn) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const EvalSettings settings = settings_for(run);
  std::set<std::string> seen = {ProbeTask("probe.needle", run, settings).settings()};
  const auto expect_new = [&](const auto& change) {
    EvalSettings changed = settings;
    change(changed);
    EXPECT_TRUE(seen.insert(ProbeTask("probe.needle", run, changed).settings()).second);
  };
  expect_new([](EvalSettings& s) { s.seed = 12; });
  expect_new([](EvalSettings& s) { s.eval.probes.lengths = {1100}; });
  expect_new([](EvalSettings& s) { s.eval.probes.depths = 4; });
  expect_new([](EvalSettings& s) { s.eval.probes.samples = 3; });
  expect_new([](EvalSettings& s) { s.eval.probes.keys = 5; });
  EXPECT_TRUE(seen.insert(ProbeTask("probe.passkey", run, settings).settings()).second);
}

TEST(ProbeTask, RowsAreOfAllAndOfEveryLength) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run);
  settings.eval.probes.lengths = {400, 500};
  settings.eval.probes.depths = 2;
  settings.eval.probes.samples = 1;
  const ProbeTask task("probe.needle", run, settings);
  const std::vector<ResultRow> rows =
      task.measure(run, method_from_name("gsa"), [](std::int64_t) {});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].task, "probe.needle");
  EXPECT_EQ(rows[0].n, 4);
  EXPECT_EQ(rows[1].task, "probe.needle.400");
  EXPECT_EQ(rows[1].n, 2);
  EXPECT_EQ(rows[2].task, "probe.needle.500");
  for (const ResultRow& row : rows) EXPECT_EQ(row.metric, "string_match");
}

TEST(ProbeTask, IntervalsOfThePasskeyAreThoseOfShares) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run);
  settings.eval.probes.lengths = {400};
  const ProbeTask task("probe.passkey", run, settings);
  std::vector<Prediction> predictions(6);
  for (Prediction& prediction : predictions) prediction.scores = {{"accuracy", 1.0}};
  const std::vector<ResultRow> rows = task.rows(predictions);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].value, 1);
  EXPECT_LT(rows[0].low, 0.7);
}

TEST(ProbeTask, AsksInTheChatTemplateOfTheRun) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run);
  settings.eval.probes.chat = true;
  EXPECT_NE(user_error([&] { ProbeTask("probe.needle", run, settings); }).find("chat template"),
            std::string::npos);
  core::write_file_atomically(
      folder / "run" / "chat_template.txt",
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
      "'<|im_start|>assistant\\n' }}{% endif %}");
  const ProbeTask task("probe.needle", run, settings);
  const GenerationSample sample = task.sample(0);
  EXPECT_EQ(run.tokenizer->decode(sample.segments[0]).rfind("<|im_start|>user\nA secret", 0), 0u);
  const std::string suffix = run.tokenizer->decode(sample.suffix);
  EXPECT_EQ(suffix.rfind("\n\nWhat is the secret", 0), 0u) << suffix;
  EXPECT_NE(suffix.find("?<|im_end|>\n<|im_start|>assistant\nThe secret number of"),
            std::string::npos)
      << suffix;
  // In bytes the end of a turn is no token that could stop the answer.
  EXPECT_TRUE(sample.stop.tokens.empty());
}

TEST(ProbeTask, ALengthTooShortIsKnownAtOnce) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run);
  settings.eval.probes.lengths = {1600, 30};
  EXPECT_EQ(
      user_error([&] { ProbeTask("probe.common_words", run, settings); }).rfind("[probe] ", 0), 0u);
  settings.eval.probes.lengths = {};
  user_error([&] { ProbeTask("probe.needle", run, settings); });
}

}  // namespace
}  // namespace unfold::eval
