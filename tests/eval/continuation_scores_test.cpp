#include "eval/continuation_scores.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "eval/prompt.h"
#include "models/generate.h"
#include "tests/eval/row_scores.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;

// Prompts and answers of many lengths.
std::vector<AnsweredPrompt> random_prompts(const LoadedRun& run, const Method& method) {
  core::Random random(7, 1);
  const auto tokens = [&](std::uint32_t count) {
    std::vector<data::TokenId> values;
    for (std::uint32_t i = 0; i < count; ++i) {
      values.push_back(static_cast<data::TokenId>(random.below(256)));
    }
    return values;
  };
  const PromptBuilder builder(run, run.description.gist);
  std::vector<AnsweredPrompt> prompts;
  for (std::uint32_t i = 0; i < 5; ++i) {
    const auto context = tokens(20 + 9 * i);
    const auto suffix = tokens(1 + i % 3);
    prompts.push_back({builder.build(method, context, suffix), tokens(1 + 40 * i)});
  }
  return prompts;
}

TEST(ContinuationScores, OfMasksAreThoseOfRows) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.seed = 3});
  const gsa::GistConfig& gist = run.description.gist;
  for (const char* name : {"full", "gist_only"}) {
    const Method method = method_from_name(name);
    const std::vector<AnsweredPrompt> prompts = random_prompts(run, method);
    const std::vector<ContinuationScores> scores =
        score_continuations(run.decoder, method, gist, prompts);
    ASSERT_EQ(scores.size(), prompts.size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const std::vector<float> expected = score_as_row(run.decoder, method, gist, prompts[i]);
      ASSERT_EQ(scores[i].loss.size(), expected.size());
      for (std::size_t j = 0; j < expected.size(); ++j) {
        EXPECT_NEAR(scores[i].loss[j], expected[j], 1e-4) << name << " " << i << " " << j;
      }
      // Greedy decoding is followed as far as it agrees.
      const std::size_t told = scores[i].greedy.size();
      ASSERT_GE(told, 1u);
      ASSERT_LE(told, expected.size());
      for (std::size_t j = 0; j < told; ++j) {
        EXPECT_EQ(scores[i].greedy[j] == prompts[i].answer[j], j + 1 < told) << i << " " << j;
      }
    }
  }
}

TEST(ContinuationScores, AgreeWithGreedyMatchUnderEveryMethod) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.seed = 5});
  const gsa::GistConfig& gist = run.description.gist;
  for (const std::string& name : method_names()) {
    const Method method = method_from_name(name);
    std::vector<AnsweredPrompt> prompts = random_prompts(run, method);
    for (AnsweredPrompt& prompt : prompts) prompt.answer.resize(1);
    // The second prompt is given what the model likes best.
    models::Engine engine(run.decoder, gist, method.policy);
    models::GenerateOptions one;
    one.max_tokens = 1;
    prompts[1].answer =
        models::generate(engine, std::span(&prompts[1].prompt, 1), one).front().tokens;
    ASSERT_EQ(prompts[1].answer.size(), 1u);
    const GreedyMatch match = match_greedy(run.decoder, method, gist, prompts);
    const std::vector<ContinuationScores> scores =
        score_continuations(run.decoder, method, gist, prompts);
    std::int64_t keys = 0, queries = 0;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(scores[i].greedy == prompts[i].answer, match.matches[i] != 0) << name << " " << i;
      // What a sequence reads does not depend on the others.
      const ContinuationScores alone =
          score_continuations(run.decoder, method, gist, std::span(&prompts[i], 1)).front();
      EXPECT_NEAR(alone.loss.front(), scores[i].loss.front(), 1e-5);
      EXPECT_EQ(alone.keys_read, scores[i].keys_read);
      EXPECT_EQ(alone.queries, scores[i].queries);
      keys += scores[i].keys_read;
      queries += scores[i].queries;
    }
    EXPECT_EQ(scores[1].greedy, prompts[1].answer) << name;
    EXPECT_EQ(keys, match.keys_read) << name;
    EXPECT_EQ(queries, match.queries) << name;
  }
}

TEST(ContinuationScores, NeedPromptAndAnswer) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const std::vector<AnsweredPrompt> no_answer = {{{{1, 2}, {-1, -1}}, {}}};
  EXPECT_THROW(
      score_continuations(run.decoder, method_from_name("full"), run.description.gist, no_answer),
      core::InternalError);
}

}  // namespace
}  // namespace unfold::eval
