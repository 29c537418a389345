#include "eval/tasks/answers.h"

#include <gtest/gtest.h>

#include "core/file.h"
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
      result += prompt.level[i] >= 0 ? std::string("|")
                                     : run_.tokenizer->token_bytes(prompt.tokens[i]);
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
