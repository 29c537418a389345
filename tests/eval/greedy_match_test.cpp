// Teacher forcing against what greedy decoding really generates.
#include "eval/greedy_match.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "eval/prompt.h"
#include "models/generate.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;

constexpr std::int64_t kAnswer = 5;

std::vector<data::TokenId> random_tokens(core::Random& random, std::uint32_t count) {
  std::vector<data::TokenId> tokens;
  for (std::uint32_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<data::TokenId>(random.below(256)));
  }
  return tokens;
}

struct Case {
  AnsweredPrompt asked;
  data::TokenId next = -1;  // what greedy decoding gives behind the answer
};

// Prompts of different lengths, each with the answer that greedy decoding generates.
std::vector<Case> generated_cases(LoadedRun& run, const Method& method, std::uint64_t seed) {
  core::Random random(seed, 1);
  const PromptBuilder builder(run, run.description.gist);
  std::vector<Case> cases;
  for (int i = 0; i < 6; ++i) {
    const auto context = random_tokens(random, 10 + random.below(40));
    const auto suffix = random_tokens(random, 1 + random.below(6));
    Case one;
    one.asked.prompt = builder.build(method, context, suffix);
    models::GenerateOptions options;
    options.max_tokens = kAnswer + 1;
    models::Engine engine(run.decoder, run.description.gist, method.policy);
    one.asked.answer =
        models::generate(engine, std::span(&one.asked.prompt, 1), options).front().tokens;
    one.next = one.asked.answer.back();
    one.asked.answer.pop_back();
    cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<AnsweredPrompt> asked(const std::vector<Case>& cases) {
  std::vector<AnsweredPrompt> prompts;
  for (const Case& one : cases) prompts.push_back(one.asked);
  return prompts;
}

class GreedyMatchOfMethod : public testing::TestWithParam<std::string> {};

TEST_P(GreedyMatchOfMethod, EqualsGreedyGeneration) {
  const TempFolder folder;
  const Method method = method_from_name(GetParam());
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    TinyRunOptions options;
    options.seed = seed;
    if (seed == 2) options.gist.chunks = {2, 3};
    if (seed == 3) options.gist = {.chunks = {3}, .sinks = 0, .previous_chunks = 0};
    LoadedRun run = make_tiny_run(folder / std::to_string(seed), options);
    const gsa::GistConfig& gist = run.description.gist;
    const std::vector<Case> cases = generated_cases(run, method, seed);
    const std::vector<AnsweredPrompt> prompts = asked(cases);
    const GreedyMatch match = match_greedy(run.decoder, method, gist, prompts);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(match.matches[i], 1) << "seed " << seed << " prompt " << i;
      EXPECT_EQ(match.next[i], cases[i].next) << "seed " << seed << " prompt " << i;
    }
    // One wrong token anywhere is no match, and leaves the other prompts alone.
    for (std::size_t wrong = 0; wrong < std::size_t{kAnswer}; ++wrong) {
      std::vector<AnsweredPrompt> changed = prompts;
      changed[1].answer[wrong] = (changed[1].answer[wrong] + 1) % 256;
      const GreedyMatch after = match_greedy(run.decoder, method, gist, changed);
      EXPECT_EQ(after.matches, (std::vector<std::uint8_t>{1, 0, 1, 1, 1, 1})) << wrong;
    }
  }
}

TEST_P(GreedyMatchOfMethod, CountsWhatTheTokensOfTheAnswerRead) {
  const TempFolder folder;
  const Method method = method_from_name(GetParam());
  LoadedRun run = make_tiny_run(folder / "run");
  const gsa::GistConfig& gist = run.description.gist;
  const std::vector<AnsweredPrompt> prompts = asked(generated_cases(run, method, 5));
  std::int64_t keys = 0;
  std::int64_t queries = 0;
  for (const AnsweredPrompt& one : prompts) {
    models::EngineOptions options;
    options.observer = [&](const models::SelectedQuery& query, const gsa::SelectionTrace&,
                           const std::vector<gsa::CacheSpan>& spans) {
      if (query.position < static_cast<std::int64_t>(one.prompt.tokens.size())) return;
      keys += gsa::count_keys(spans);
      ++queries;
    };
    models::Engine engine(run.decoder, gist, method.policy, options);
    const std::int64_t sequence = engine.prefill(std::span(&one.prompt, 1)).first;
    for (const data::TokenId token : one.answer) {
      const models::Engine::Continuation next{sequence, {token}};
      engine.extend(std::span(&next, 1));
    }
  }
  const GreedyMatch match = match_greedy(run.decoder, method, gist, prompts);
  EXPECT_EQ(match.keys_read, keys);
  EXPECT_EQ(match.queries, queries);
}

INSTANTIATE_TEST_SUITE_P(Methods, GreedyMatchOfMethod, testing::ValuesIn(method_names()),
                         [](const auto& method) { return method.param; });

TEST(GreedyMatch, NeedsPromptAndAnswer) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const Method full = method_from_name("full");
  const gsa::GistConfig& gist = run.description.gist;
  const std::vector<AnsweredPrompt> no_answer = {{{{1, 2}, {-1, -1}}, {}}};
  EXPECT_THROW(match_greedy(run.decoder, full, gist, no_answer), core::InternalError);
  const std::vector<AnsweredPrompt> no_prompt = {{{{}, {}}, {1}}};
  EXPECT_THROW(match_greedy(run.decoder, full, gist, no_prompt), core::InternalError);
}

}  // namespace
}  // namespace unfold::eval
