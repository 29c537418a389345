#include "models/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "gsa/visibility.h"
#include "models/kv_cache.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using core::DType;
using core::Tensor;
using gsa::Visibility;

constexpr Visibility kModes[] = {Visibility::gist, Visibility::full, Visibility::causal};
const std::vector<std::vector<std::int64_t>> kChunks = {{}, {3}, {2, 2}};

// Logits behind every token, without a cache.
std::vector<double> full_logits(Decoder& decoder, const Prompt& prompt, const gsa::GistConfig& gist,
                                Visibility visibility) {
  const autograd::NoGrad no_grad;
  const gsa::Layout layout = one_row(prompt.level, gist.levels());
  BlockAttention attention(
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility)));
  const Tensor hidden = decoder
                            .hidden(Tensor::from(prompt.tokens, {layout.size()}),
                                    Tensor::from(layout.rope, {layout.size()}), attention)
                            .value();
  return decoder.logits(hidden).to_vector<double>();
}

std::vector<double> last_row(const std::vector<double>& logits) {
  return {logits.end() - kTinyVocabulary, logits.end()};
}

// Keys of the prompt that a raw token behind it sees, by the rule.
std::vector<std::int32_t> seen_later(const Prompt& prompt, const gsa::GistConfig& gist,
                                     Visibility visibility) {
  std::vector<std::int8_t> level = prompt.level;
  level.push_back(-1);
  const auto next = static_cast<std::int64_t>(prompt.level.size());
  const gsa::VisibilityCounts counts = gsa::count_row(one_row(level, gist.levels()), 0, gist);
  std::vector<std::int32_t> kept;
  for (std::int32_t key = 0; key < next; ++key) {
    if (gsa::visible(counts, next, key, gist, visibility)) kept.push_back(key);
  }
  return kept;
}

TEST(CachedAttention, DecodingEqualsAFullForward) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    for (const auto& chunks : kChunks) {
      for (const Visibility mode : kModes) {
        const gsa::GistConfig gist{.chunks = chunks, .sinks = 1};
        Decoder decoder(tiny_config(), gist.levels(), dtype, {}, 8);
        Prompt prompt = tiny_prompt(23, 4, gist, 21);
        const Prompt later = tiny_prompt(0, 7, gist, 22);
        const std::vector<std::int32_t> kept = seen_later(prompt, gist, mode);
        const gsa::Layout layout = one_row(prompt.level, gist.levels());
        CachedAttention cache(2, decoder.attention_shape(),
                              static_cast<std::int64_t>(kept.size()) + 7, dtype, {});
        const autograd::NoGrad no_grad;
        cache.begin_prefill(
            std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, mode)), kept);
        Tensor hidden = decoder
                            .hidden(Tensor::from(prompt.tokens, {layout.size()}),
                                    Tensor::from(layout.rope, {layout.size()}), cache)
                            .value();
        std::int32_t position = layout.rope.back();
        for (std::size_t step = 0;; ++step) {
          const std::vector<double> cached = last_row(decoder.logits(hidden).to_vector<double>());
          const std::vector<double> whole = last_row(full_logits(decoder, prompt, gist, mode));
          for (std::size_t id = 0; id < cached.size(); ++id) {
            ASSERT_NEAR(cached[id], whole[id], dtype == DType::float64 ? 1e-9 : 1e-4)
                << "step " << step << " mode " << static_cast<int>(mode);
          }
          if (step == later.tokens.size()) break;
          prompt.tokens.push_back(later.tokens[step]);
          prompt.level.push_back(-1);
          cache.begin_decode();
          EXPECT_EQ(cache.size(), static_cast<std::int64_t>(kept.size() + step) + 1);
          hidden = decoder
                       .hidden(Tensor::from(std::vector<std::int32_t>{later.tokens[step]}, {1}),
                               Tensor::from(std::vector<std::int32_t>{++position}, {1}), cache)
                       .value();
        }
        EXPECT_THROW(cache.begin_decode(), core::InternalError) << "the cache is full";
      }
    }
  }
}

TEST(CachedAttention, RejectsMoreKeysThanItHolds) {
  const gsa::GistConfig gist{.chunks = {}};
  CachedAttention cache(1, {1, 1, 4}, 2, DType::float32, {});
  EXPECT_THROW(cache.begin_prefill(std::make_shared<const gsa::BlockMap>(gsa::make_block_map(
                                       one_row({-1, -1, -1}, 0), gist, Visibility::causal)),
                                   {0, 1, 2}),
               core::InternalError);
}

TEST(Generate, GreedyEqualsRepeatedFullForwards) {
  for (const auto& chunks : kChunks) {
    for (const Visibility mode : kModes) {
      const gsa::GistConfig gist{.chunks = chunks, .sinks = 2};
      Decoder decoder(tiny_config(), gist.levels(), DType::float64, {}, 4);
      Prompt prompt = tiny_prompt(17, 3, gist, 5);
      std::vector<std::int32_t> streamed;
      const Generated generated = generate(decoder, prompt, gist, mode, {.max_tokens = 12},
                                           [&](std::int32_t token) { streamed.push_back(token); });
      ASSERT_EQ(generated.tokens.size(), 12u);
      EXPECT_EQ(streamed, generated.tokens);
      const std::size_t kept = seen_later(prompt, gist, mode).size();
      EXPECT_EQ(generated.attended, static_cast<std::int64_t>(kept) + 11);
      for (const std::int32_t token : generated.tokens) {
        const std::vector<double> logits = last_row(full_logits(decoder, prompt, gist, mode));
        const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
        ASSERT_EQ(token, best);
        prompt.tokens.push_back(token);
        prompt.level.push_back(-1);
      }
    }
  }
}

TEST(Generate, GistVisibilityKeepsASmallCache) {
  const gsa::GistConfig gist{.chunks = {8}};
  Decoder decoder(tiny_config(), 1, DType::float32, {}, 4);
  const Prompt prompt = tiny_prompt(8 * 40 + 3, 4, gist, 5);
  const auto attended = [&](Visibility mode) {
    return generate(decoder, prompt, gist, mode, {.max_tokens = 1}).attended;
  };
  // The segment ends in a gist, so the chunk before the suffix is the previous one: 40 gists,
  // sinks, 8 raw tokens and the suffix.
  EXPECT_EQ(attended(Visibility::gist), 40 + 3 + 8 + 4);
  EXPECT_EQ(attended(Visibility::full), 8 * 40 + 3 + 4);
  EXPECT_EQ(attended(Visibility::causal), 8 * 40 + 3 + 4 + 40);
}

TEST(Generate, StopsBehindEosAndAtTheLimit) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(tiny_config(), 1, DType::float32, {}, 4);
  const Prompt prompt = tiny_prompt(17, 3, gist, 5);
  const GenerateOptions sampled{.max_tokens = 30, .sampling = {.temperature = 2.0, .seed = 3}};
  const Generated all = generate(decoder, prompt, gist, Visibility::gist, sampled);
  ASSERT_EQ(all.tokens.size(), 30u);
  GenerateOptions stopped = sampled;
  stopped.eos = all.tokens[9];
  const auto first = std::find(all.tokens.begin(), all.tokens.end(), stopped.eos);
  const Generated cut = generate(decoder, prompt, gist, Visibility::gist, stopped);
  EXPECT_EQ(cut.tokens, std::vector<std::int32_t>(all.tokens.begin(), first));
  EXPECT_TRUE(generate(decoder, prompt, gist, Visibility::gist, {.max_tokens = 0}).tokens.empty());
  EXPECT_THROW(generate(decoder, {}, gist, Visibility::gist, {}), core::InternalError);
}

TEST(Generate, SamplingIsAFunctionOfTheSeed) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(tiny_config(), 1, DType::float32, {}, 4);
  const Prompt prompt = tiny_prompt(17, 3, gist, 5);
  const auto tokens = [&](std::uint64_t seed) {
    return generate(decoder, prompt, gist, Visibility::gist,
                    {.max_tokens = 20, .sampling = {.temperature = 1.5, .seed = seed}})
        .tokens;
  };
  EXPECT_EQ(tokens(1), tokens(1));
  EXPECT_NE(tokens(1), tokens(2));
}

// Even when the rows of the gists would score far above all others.
TEST(Generate, NeverYieldsAGist) {
  const gsa::GistConfig gist{.chunks = {3}};
  DecoderConfig config = tiny_config();
  config.tied_embeddings = false;
  Decoder decoder(config, 1, DType::float32, {}, 4);
  const Prompt prompt = tiny_prompt(17, 3, gist, 5);
  float* head = decoder.parameter("head.weight").variable.value().data<float>();
  std::set<std::int32_t> seen;
  for (const float sign : {1.0f, -1.0f}) {
    for (std::int64_t i = 0; i < config.width; ++i) {
      head[kTinyVocabulary * config.width + i] = sign * 1000;
    }
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const GenerateOptions options{.max_tokens = 20,
                                    .sampling = {.temperature = 3.0, .seed = seed}};
      for (const std::int32_t token :
           generate(decoder, prompt, gist, Visibility::gist, options).tokens) {
        EXPECT_GE(token, 0);
        EXPECT_LT(token, kTinyVocabulary);
        seen.insert(token);
      }
    }
  }
  EXPECT_GT(seen.size(), 10u);
}

TEST(Generate, RunsInBfloat16) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(tiny_config(), 1, DType::bfloat16, {}, 4);
  const Prompt prompt = tiny_prompt(17, 3, gist, 5);
  EXPECT_EQ(generate(decoder, prompt, gist, Visibility::gist, {.max_tokens = 5}).tokens.size(), 5u);
}

}  // namespace
}  // namespace unfold::models
