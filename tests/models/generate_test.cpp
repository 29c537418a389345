#include "models/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "models/stop_strings.h"
#include "tests/models/naive_decoder.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using core::DType;
using gsa::PolicyKind;

const std::vector<std::vector<std::int64_t>> kChunks = {{3}, {2, 2}};

// The text of token 3 is "d".
std::string letter(std::int32_t token) {
  return std::string(1, static_cast<char>('a' + token));
}

class Generating : public testing::Test {
 protected:
  Generated generate_one(const Prompt& prompt, const GenerateOptions& options,
                         PolicyKind kind = PolicyKind::gist_only, bool streaming = false) {
    Engine engine(decoder_, gist_, {.kind = kind}, {.streaming = streaming});
    return generate(engine, std::span(&prompt, 1), options).front();
  }

  gsa::GistConfig gist_ = {.chunks = {3}, .sinks = 2};
  DecoderConfig config_ = [] {
    DecoderConfig config = tiny_config();
    config.tied_embeddings = false;
    return config;
  }();
  Decoder decoder_{config_, 1, DType::float32, {}, 4};
  const Prompt prompt_ = tiny_prompt(17, 3, gist_, 5);
};

TEST(Generate, GreedyEqualsRepeatedFullForwards) {
  for (const auto& chunks : kChunks) {
    const gsa::GistConfig gist{.chunks = chunks, .sinks = 2};
    Decoder decoder(tiny_config(), gist.levels(), DType::float64, {}, 4);
    for (const PolicyKind kind : {PolicyKind::full, PolicyKind::gist_only}) {
      const bool gists = kind == PolicyKind::gist_only;
      Prompt prompt = tiny_prompt(17, 3, gists ? gist : gsa::GistConfig{.chunks = {}}, 5);
      std::vector<std::int32_t> streamed;
      Engine engine(decoder, gist, {.kind = kind});
      const Generated generated = generate(engine, std::span(&prompt, 1), {.max_tokens = 12},
                                           [&](std::int64_t index, std::int32_t token) {
                                             EXPECT_EQ(index, 0);
                                             streamed.push_back(token);
                                           })
                                      .front();
      ASSERT_EQ(generated.tokens.size(), 12u);
      EXPECT_EQ(generated.finish, FinishReason::length);
      EXPECT_EQ(streamed, generated.tokens);
      EXPECT_EQ(engine.cache_bytes(), 0u) << "what ended is released";
      for (const std::int32_t token : generated.tokens) {
        const std::vector<double> all =
            naive_logits(decoder, one_row(prompt.level, gist.levels()), prompt.tokens, gist,
                         gists ? gsa::Visibility::gist : gsa::Visibility::full);
        const std::vector<double> logits(all.end() - kTinyVocabulary, all.end());
        ASSERT_EQ(token, std::max_element(logits.begin(), logits.end()) - logits.begin());
        prompt.tokens.push_back(token);
        prompt.level.push_back(-1);
      }
    }
  }
}

TEST(Generate, GistVisibilityReadsFewKeys) {
  const gsa::GistConfig gist{.chunks = {8}};
  Decoder decoder(tiny_config(), 1, DType::float32, {}, 4);
  const auto attended = [&](PolicyKind kind) {
    const bool gists = kind == PolicyKind::gist_only;
    const Prompt prompt =
        tiny_prompt(8 * 40 + 3, 4, gists ? gist : gsa::GistConfig{.chunks = {}}, 5);
    Engine engine(decoder, gist, {.kind = kind});
    generate(engine, std::span(&prompt, 1), {.max_tokens = 2});
    return engine.decode_reads().keys_per_query();
  };
  // The segment ends in a gist, so the chunk before the suffix is the previous one: 40 gists,
  // sinks, 8 raw tokens, the suffix and the token itself.
  EXPECT_EQ(attended(PolicyKind::gist_only), 40 + 3 + 8 + 4 + 1);
  EXPECT_EQ(attended(PolicyKind::full), 8 * 40 + 3 + 4 + 1);
}

TEST_F(Generating, StopsBehindEosAndAtTheLimit) {
  const GenerateOptions sampled{.max_tokens = 30, .sampling = {.temperature = 2.0, .seed = 3}};
  const Generated all = generate_one(prompt_, sampled);
  ASSERT_EQ(all.tokens.size(), 30u);
  GenerateOptions stopped = sampled;
  stopped.eos = all.tokens[9];
  const auto first = std::find(all.tokens.begin(), all.tokens.end(), stopped.eos);
  const Generated cut = generate_one(prompt_, stopped);
  EXPECT_EQ(cut.tokens, std::vector<std::int32_t>(all.tokens.begin(), first));
  EXPECT_EQ(cut.finish, FinishReason::eos);
  EXPECT_TRUE(generate_one(prompt_, {.max_tokens = 0}).tokens.empty());
  EXPECT_THROW(generate_one({}, {}), core::InternalError);
}

TEST_F(Generating, StopsBehindAStopString) {
  GenerateOptions options{.max_tokens = 30, .sampling = {.temperature = 2.0, .seed = 3}};
  const Generated all = generate_one(prompt_, options);
  std::string text;
  for (const std::int32_t token : all.tokens) text += letter(token);
  options.text_of = letter;
  options.stop = {text.substr(12, 3), "no such text"};
  const std::size_t begin = text.find(options.stop[0]);
  const Generated cut = generate_one(prompt_, options);
  EXPECT_EQ(cut.finish, FinishReason::stop);
  EXPECT_EQ(cut.tokens.size(), begin + 3);
  EXPECT_EQ(cut.stop_bytes, 3u);
  options.text_of = nullptr;
  EXPECT_THROW(generate_one(prompt_, options), core::InternalError);
  options.text_of = letter;
  options.stop = {""};
  EXPECT_THROW(generate_one(prompt_, options), core::InternalError);
}

TEST(StopStrings, AreFoundAcrossPieces) {
  const std::vector<std::string> stop = {"\n\n", "END", "ND of"};
  const auto found = [&](const std::vector<std::string>& pieces) {
    StopStrings strings(stop);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_EQ(bytes, 0u);
      bytes = strings.push(pieces[i]);
    }
    return bytes;
  };
  EXPECT_EQ(found({"a", "\n", "b\n", "\nc"}), 3u);
  EXPECT_EQ(found({"E", "N", "D"}), 3u);
  EXPECT_EQ(found({"xEN", "Dy"}), 4u);
  EXPECT_EQ(found({"the E", "ND of"}), 6u) << "the earliest";
  EXPECT_EQ(found({"EEEEEEEEEEEEEEEEE", "N", " D"}), 0u);
  EXPECT_EQ(found({""}), 0u);
}

TEST_F(Generating, SamplingIsAFunctionOfTheSeed) {
  const auto tokens = [&](std::uint64_t seed) {
    return generate_one(prompt_, {.max_tokens = 20, .sampling = {.temperature = 1.5, .seed = seed}})
        .tokens;
  };
  EXPECT_EQ(tokens(1), tokens(1));
  EXPECT_NE(tokens(1), tokens(2));
}

TEST_F(Generating, ABatchIsItsPromptsOneByOne) {
  std::vector<Prompt> prompts;
  for (std::uint64_t i = 0; i < 5; ++i) {
    prompts.push_back(tiny_prompt(4 + 9 * static_cast<std::int64_t>(i), 2, gist_, i));
  }
  GenerateOptions options{.max_tokens = 15};
  options.eos = generate_one(prompts[2], options).tokens[4];  // some end earlier than others
  Engine engine(decoder_, gist_, {.kind = PolicyKind::gsa}, {.streaming = true});
  std::vector<std::vector<std::int32_t>> streamed(prompts.size());
  const std::vector<Generated> all =
      generate(engine, prompts, options, [&](std::int64_t prompt, std::int32_t token) {
        streamed[static_cast<std::size_t>(prompt)].push_back(token);
      });
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(all[i].tokens, generate_one(prompts[i], options, PolicyKind::gsa, true).tokens);
    EXPECT_EQ(streamed[i], all[i].tokens);
  }
  EXPECT_EQ(engine.cache_bytes(), 0u);
  EXPECT_TRUE(generate(engine, {}, options).empty());
}

// Even when the rows of the gists would score far above all others, and while text is chunked.
TEST_F(Generating, NeverYieldsAGist) {
  float* head = decoder_.parameter("head.weight").variable.value().data<float>();
  std::set<std::int32_t> seen;
  for (const float sign : {1.0f, -1.0f}) {
    for (std::int64_t i = 0; i < config_.width; ++i) {
      head[kTinyVocabulary * config_.width + i] = sign * 1000;
    }
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const GenerateOptions options{.max_tokens = 20,
                                    .sampling = {.temperature = 3.0, .seed = seed}};
      for (const bool streaming : {false, true}) {
        for (const std::int32_t token :
             generate_one(prompt_, options, PolicyKind::gsa, streaming).tokens) {
          EXPECT_GE(token, 0);
          EXPECT_LT(token, kTinyVocabulary);
          seen.insert(token);
        }
      }
    }
  }
  EXPECT_GT(seen.size(), 10u);
}

TEST_F(Generating, StreamingKeepsLongTextSparse) {
  const auto keys_of_last = [&](bool streaming) {
    std::int64_t last = 0;
    EngineOptions options{.streaming = streaming};
    options.observer = [&](const SelectedQuery& query, const gsa::SelectionTrace&,
                           const std::vector<gsa::CacheSpan>& spans) {
      if (query.layer == 1 && query.kv_head == 1) last = gsa::count_keys(spans);
    };
    Engine engine(decoder_, gist_, {.kind = PolicyKind::gist_only}, options);
    generate(engine, std::span(&prompt_, 1), {.max_tokens = 91});
    return last;
  };
  const std::int64_t whole = keys_of_last(false);
  EXPECT_GT(whole, 90);
  EXPECT_LT(keys_of_last(true), whole / 2);
}

}  // namespace
}  // namespace unfold::models
