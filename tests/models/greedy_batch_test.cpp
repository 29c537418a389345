#include "models/greedy_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "models/generate.h"
#include "tests/models/engine_setting.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using core::DType;

std::string letter(std::int32_t token) {
  return std::string(1, static_cast<char>('a' + token));
}

std::map<std::size_t, GreedyAnswer> answers_of(Engine& engine,
                                               const std::vector<GreedyPrompt>& prompts,
                                               std::int64_t prefill_positions = 8192) {
  GreedyOptions options;
  options.text_of = letter;
  options.prefill_positions = prefill_positions;
  std::map<std::size_t, GreedyAnswer> answers;
  generate_greedily(engine, prompts, options, [&](std::size_t index, GreedyAnswer answer) {
    EXPECT_TRUE(answers.emplace(index, std::move(answer)).second) << index << " is done twice";
  });
  EXPECT_EQ(answers.size(), prompts.size());
  return answers;
}

class GreedyBatch : public testing::TestWithParam<Setting> {};

// Prompts of different lengths with limits of their own, prefilled in several passes, against each
// by itself.
TEST_P(GreedyBatch, GivesWhatEachPromptGivesAlone) {
  const Setting setting = GetParam();
  if (setting.streaming) GTEST_SKIP() << "answers are not chunked";
  const gsa::GistConfig gist = {.chunks = setting.chunks, .sinks = 2};
  const bool gists = gsa::reads_gists(setting.kind);
  Decoder decoder(tiny_config(), gist.levels(), DType::float64, {}, 4);
  const gsa::PolicyConfig policy = {.kind = setting.kind, .observation_window = 4, .pooling = 3};
  std::vector<GreedyPrompt> prompts;
  for (std::int64_t i = 0; i < 11; ++i) {
    GreedyPrompt prompt;
    const std::int64_t raw = 13 + 7 * (i % 4);
    prompt.prompt = tiny_prompt(raw, 3 + i % 2, gists ? gist : gsa::GistConfig{.chunks = {}},
                                static_cast<std::uint64_t>(20 + i));
    prompt.prompt.suffix = static_cast<std::int64_t>(prompt.prompt.tokens.size()) - (3 + i % 2);
    prompt.max_tokens = 1 + i;
    prompts.push_back(std::move(prompt));
  }
  for (const EnginePath path : {EnginePath::host, EnginePath::device, EnginePath::graph}) {
    Engine engine(decoder, gist, policy, {.path = path});
    const auto answers = answers_of(engine, prompts, 60);
    EXPECT_EQ(engine.cache_bytes(), 0u);
    gsa::ReadCount all;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      Engine alone(decoder, gist, policy, {.path = path});
      GenerateOptions options;
      options.max_tokens = prompts[i].max_tokens;
      const Generated expected = generate(alone, std::span(&prompts[i].prompt, 1), options).front();
      const GreedyAnswer& answer = answers.at(i);
      EXPECT_EQ(answer.generated.tokens, expected.tokens) << i;
      EXPECT_EQ(answer.reads.keys, alone.decode_reads().keys) << i;
      EXPECT_EQ(answer.reads.scored, alone.decode_reads().scored) << i;
      EXPECT_EQ(answer.reads.units, alone.decode_reads().units) << i;
      EXPECT_GE(answer.seconds, 0);
      all += answer.reads;
    }
    EXPECT_EQ(all.keys, engine.decode_reads().keys);
    EXPECT_EQ(all.units, engine.decode_reads().units);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, GreedyBatch, testing::ValuesIn(settings_over({{3}, {2, 2}})),
                         [](const auto& setting) { return name_of(setting.param); });

class GreedyBatchEnds : public testing::Test {
 protected:
  GreedyPrompt prompt(std::uint64_t seed) const {
    GreedyPrompt prompt;
    prompt.prompt = tiny_prompt(17, 3, gist_, seed);
    prompt.max_tokens = 12;
    return prompt;
  }
  GreedyAnswer answer_to(const GreedyPrompt& prompt) {
    Engine engine(decoder_, gist_, {.kind = gsa::PolicyKind::gist_only});
    return answers_of(engine, {prompt}).at(0);
  }

  gsa::GistConfig gist_ = {.chunks = {3}, .sinks = 2};
  DecoderConfig config_ = [] {
    DecoderConfig config = tiny_config();
    config.tied_embeddings = false;
    return config;
  }();
  Decoder decoder_{config_, 1, DType::float32, {}, 4};
};

TEST_F(GreedyBatchEnds, AtATokenAStopStringOrTheLimit) {
  const std::vector<std::int32_t> free = answer_to(prompt(5)).generated.tokens;
  ASSERT_EQ(free.size(), 12u);
  GreedyPrompt ended = prompt(5);
  ended.ends = {free[4]};
  const auto first = std::find(free.begin(), free.end(), free[4]);
  const GreedyAnswer by_token = answer_to(ended);
  EXPECT_EQ(by_token.generated.tokens, std::vector<std::int32_t>(free.begin(), first));
  EXPECT_EQ(by_token.generated.finish, FinishReason::eos);

  GreedyPrompt stopped = prompt(5);
  stopped.stop = {letter(free[2]) + letter(free[3])};
  const GreedyAnswer by_text = answer_to(stopped);
  EXPECT_EQ(by_text.generated.finish, FinishReason::stop);
  EXPECT_EQ(by_text.generated.stop_bytes, 2u);
  EXPECT_LE(by_text.generated.tokens.size(), 4u);
}

TEST_F(GreedyBatchEnds, NotBeforeTheLeastNumberOfTokens) {
  const std::int32_t first = answer_to(prompt(5)).generated.tokens.front();
  GreedyPrompt empty = prompt(5);
  empty.ends = {first};
  EXPECT_TRUE(answer_to(empty).generated.tokens.empty());
  EXPECT_EQ(answer_to(empty).reads.units, 0);
  empty.min_tokens = 2;
  const std::vector<std::int32_t> tokens = answer_to(empty).generated.tokens;
  ASSERT_GE(tokens.size(), 2u);
  EXPECT_NE(tokens[0], first);
  EXPECT_NE(tokens[1], first);
}

}  // namespace
}  // namespace unfold::models
