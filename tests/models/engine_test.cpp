#include "models/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "gsa/visibility.h"
#include "tests/models/engine_setting.h"
#include "tests/models/naive_decoder.h"
#include "tests/models/policy_views.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using core::DType;
using core::Tensor;
using gsa::PolicyKind;

gsa::GistConfig gist_of(const std::vector<std::int64_t>& chunks) {
  return {.chunks = chunks, .sinks = 2, .previous_chunks = 1, .rule = gsa::InsertionRule::count};
}

DecoderConfig three_layers() {
  DecoderConfig config = tiny_config();
  config.layers = 3;
  return config;
}

// A context with gists if the method reads them, and a raw suffix.
Prompt prompt_for(PolicyKind kind, const gsa::GistConfig& gist, std::int64_t raw,
                  std::int64_t suffix, std::uint64_t seed) {
  if (gsa::reads_gists(kind)) return tiny_prompt(raw, suffix, gist, seed);
  Prompt prompt = tiny_prompt(raw, suffix, {.chunks = {}}, seed);
  prompt.suffix = raw;
  return prompt;
}

std::vector<std::int32_t> later_tokens(std::int64_t count, std::uint64_t seed) {
  return tiny_prompt(0, count, {.chunks = {}}, seed).tokens;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  return tensor.to(DType::float64).to_vector<double>();
}

void append(std::vector<double>& all, const Tensor& more) {
  const std::vector<double> values = to_doubles(more);
  all.insert(all.end(), values.begin(), values.end());
}

// Logits behind the prompt and every later token, one token at a time.
std::vector<double> stepwise(Engine& engine, const Prompt& prompt,
                             const std::vector<std::int32_t>& later) {
  const Engine::Started started = engine.prefill(std::span(&prompt, 1));
  std::vector<double> logits = to_doubles(started.logits);
  for (const std::int32_t token : later) {
    const Engine::Continuation next{started.first, {token}};
    append(logits, engine.extend(std::span(&next, 1)));
  }
  return logits;
}

// quest and, in one of its settings, streaming have layers that leave nothing out.
std::int64_t first_layer_of(const Setting& setting) {
  const bool windows = setting.kind == PolicyKind::streaming && setting.chunks.size() > 1;
  return setting.kind == PolicyKind::quest || windows ? 1 : -1;
}

class EngineOf : public testing::TestWithParam<Setting> {
 protected:
  const gsa::GistConfig gist_ = gist_of(GetParam().chunks);
  const gsa::PolicyConfig policy_ = {.kind = GetParam().kind,
                                     .first_layer = first_layer_of(GetParam()),
                                     .selection = {.seed = 7},
                                     .observation_window = 4,
                                     .pooling = 3};
};

TEST_P(EngineOf, DecodingEqualsTheDefinitionInOneForward) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    for (const std::uint64_t seed : {1u, 2u}) {
      Decoder decoder(three_layers(), gist_.levels(), dtype, {}, 10 + seed);
      const Prompt prompt = prompt_for(policy_.kind, gist_, 41, 3, seed);
      const std::vector<std::int32_t> later = later_tokens(12, seed + 50);
      Engine engine(decoder, gist_, policy_, {.streaming = GetParam().streaming});
      const std::vector<double> logits = stepwise(engine, prompt, later);

      // The whole sequence as the engine knows it, gists of streaming insertion included.
      const gsa::SequenceTokens& tokens = engine.tokens(0);
      Prompt whole = prompt;
      std::size_t next = 0;
      std::vector<std::size_t> asked = {prompt.tokens.size() - 1};
      for (auto t = static_cast<std::int64_t>(prompt.tokens.size()); t < tokens.size(); ++t) {
        const int level = tokens.level(t);
        whole.level.push_back(static_cast<std::int8_t>(level));
        whole.tokens.push_back(level < 0 ? later[next++]
                                         : static_cast<std::int32_t>(kTinyVocabulary) + level);
        if (level < 0) asked.push_back(static_cast<std::size_t>(t));
      }
      ASSERT_EQ(next, later.size());
      const std::size_t gists = whole.tokens.size() - prompt.tokens.size() - later.size();
      EXPECT_EQ(gists > 2, GetParam().streaming);
      EXPECT_EQ(gists == 0, !GetParam().streaming);

      const double tolerance = dtype == DType::float64 ? 1e-9 : 1e-4;
      if (policy_.kind != PolicyKind::random) {
        const gsa::Layout layout = one_row(whole.level, gist_.levels());
        const PolicyView view = {policy_,
                                 gist_,
                                 decoder.attention_shape(),
                                 layout,
                                 suffix_begin(prompt),
                                 static_cast<std::int64_t>(prompt.tokens.size())};
        gsa::ReadCount reads;
        const std::vector<double> all = naive_logits(
            decoder, layout, whole.tokens, [&, rule = naive_view(view)](const NaiveQuery& query) {
              const std::vector<bool> seen = rule(query);
              if (query.position >= view.prompt) {
                reads.keys += std::count(seen.begin(), seen.end(), true);
                ++reads.units;
              }
              return seen;
            });
        EXPECT_EQ(engine.decode_reads().keys, reads.keys);
        EXPECT_EQ(engine.decode_reads().units, reads.units);
        if (policy_.kind != PolicyKind::full) {  // the method leaves something out
          EXPECT_LT(reads.keys_per_query(), 0.85 * static_cast<double>(whole.tokens.size()));
        }
        std::vector<double> expected;
        for (const std::size_t t : asked) {
          expected.insert(expected.end(),
                          all.begin() + static_cast<std::ptrdiff_t>(t * kTinyVocabulary),
                          all.begin() + static_cast<std::ptrdiff_t>((t + 1) * kTinyVocabulary));
        }
        EXPECT_LT(largest_difference(logits, expected), tolerance);
      }

      // All later tokens in one forward.
      Engine once(decoder, gist_, policy_, {.streaming = GetParam().streaming});
      const Engine::Started started = once.prefill(std::span(&prompt, 1));
      std::vector<double> together = to_doubles(started.logits);
      const Engine::Continuation all_later{started.first, later};
      append(together, once.extend(std::span(&all_later, 1)));
      EXPECT_LT(largest_difference(together, logits), tolerance);
      EXPECT_EQ(once.decode_reads().keys, engine.decode_reads().keys);
      EXPECT_EQ(once.decode_reads().units, engine.decode_reads().units);

      // Methods without a memory of the prompt's end: prompt and all in one prefill.
      const bool by_prompt =
          policy_.kind == PolicyKind::snapkv || policy_.kind == PolicyKind::h2o ||
          policy_.kind == PolicyKind::streaming || policy_.kind == PolicyKind::quest;
      if (!by_prompt) {
        whole.suffix = suffix_begin(prompt);
        Engine one_pass(decoder, gist_, policy_);
        const std::vector<double> last = to_doubles(one_pass.prefill(std::span(&whole, 1)).logits);
        const std::vector<double> end(logits.end() - kTinyVocabulary, logits.end());
        EXPECT_LT(largest_difference(last, end), tolerance);
      }
    }
  }
}

TEST_P(EngineOf, ABatchGivesWhatEachSequenceGivesAlone) {
  Decoder decoder(three_layers(), gist_.levels(), DType::float64, {}, 5);
  const std::vector<std::int64_t> lengths = {30, 4, 57, 1};
  std::vector<Prompt> prompts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    prompts.push_back(
        prompt_for(policy_.kind, gist_, lengths[i], 1 + static_cast<std::int64_t>(i % 3), i));
  }
  const EngineOptions options{.streaming = GetParam().streaming};
  Engine batch(decoder, gist_, policy_, options);
  const Engine::Started started = batch.prefill(prompts);
  std::vector<std::vector<double>> logits(prompts.size());
  const std::vector<double> first = to_doubles(started.logits);
  const auto share = [&](const std::vector<double>& all, std::size_t i) {
    return std::vector<double>(
        all.begin() + static_cast<std::ptrdiff_t>(i * kTinyVocabulary),
        all.begin() + static_cast<std::ptrdiff_t>((i + 1) * kTinyVocabulary));
  };
  for (std::size_t i = 0; i < prompts.size(); ++i) logits[i] = share(first, i);
  for (std::size_t step = 0; step < 9; ++step) {
    std::vector<Engine::Continuation> next;
    // Sequence 1 ends early.
    std::vector<std::size_t> live;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (i == 1 && step >= 4) continue;
      live.push_back(i);
      next.push_back(
          {started.first + static_cast<std::int64_t>(i), {later_tokens(9, 100 + i)[step]}});
    }
    if (step == 4) batch.release(started.first + 1);
    const std::vector<double> all = to_doubles(batch.extend(next));
    for (std::size_t n = 0; n < live.size(); ++n) {
      const std::vector<double> own = share(all, n);
      logits[live[n]].insert(logits[live[n]].end(), own.begin(), own.end());
    }
  }
  gsa::ReadCount reads;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Engine alone(decoder, gist_, policy_, options);
    std::vector<std::int32_t> later = later_tokens(9, 100 + i);
    if (i == 1) later.resize(4);
    EXPECT_LT(largest_difference(stepwise(alone, prompts[i], later), logits[i]), 1e-10) << i;
    reads += alone.decode_reads();
  }
  EXPECT_EQ(batch.decode_reads().keys, reads.keys);
  EXPECT_EQ(batch.decode_reads().units, reads.units);
}

TEST_P(EngineOf, RunsInBfloat16) {
  Decoder decoder(three_layers(), gist_.levels(), DType::bfloat16, {}, 5);
  Engine engine(decoder, gist_, policy_, {.streaming = GetParam().streaming});
  for (const double logit :
       stepwise(engine, prompt_for(policy_.kind, gist_, 30, 2, 1), later_tokens(8, 2))) {
    ASSERT_TRUE(std::isfinite(logit));
  }
}

TEST(Engine, ShowsEverySelectedQuery) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder(three_layers(), 1, DType::float64, {}, 5);
  std::int64_t seen = 0;
  std::int64_t keys = 0;
  std::vector<std::int64_t> layers_with_picks;
  EngineOptions options;
  options.observer = [&](const SelectedQuery& query, const gsa::SelectionTrace& trace,
                         const std::vector<gsa::CacheSpan>& spans) {
    ++seen;
    keys += gsa::count_keys(spans);
    EXPECT_EQ(query.sequence, 0);
    EXPECT_GE(query.position, 20 + 6);  // behind the context
    if (!trace.picks.empty()) layers_with_picks.push_back(query.layer);
  };
  Engine engine(decoder, gist, {.kind = PolicyKind::gsa}, options);
  const Prompt prompt = tiny_prompt(20, 3, gist, 1);
  ASSERT_EQ(suffix_begin(prompt), 20 + 6);
  stepwise(engine, prompt, {1, 2});
  EXPECT_EQ(seen, (3 + 2) * 3 * 2);  // queries, layers, key/value heads
  EXPECT_EQ(seen, engine.prefill_reads().units + engine.decode_reads().units);
  EXPECT_EQ(keys, engine.prefill_reads().keys + engine.decode_reads().keys);
  EXPECT_EQ(layers_with_picks.size(), static_cast<std::size_t>(5 * 2 * 2));  // not layer 0
  EXPECT_EQ(std::count(layers_with_picks.begin(), layers_with_picks.end(), 0), 0);
}

TEST(Engine, ReleasedSequencesLeaveNoCache) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder(three_layers(), 1, DType::float32, {}, 5);
  Engine engine(decoder, gist, {.kind = PolicyKind::h_gsa});
  const Prompt prompt = tiny_prompt(20, 3, gist, 1);
  const Engine::Started started = engine.prefill(std::span(&prompt, 1));
  // Keys (with room for 23 / 8 more raw ones), layers, keys and values, heads, width, bytes.
  EXPECT_EQ(engine.cache_bytes(), (prompt.tokens.size() + 2) * 3 * 2 * 2 * 4 * 4);
  engine.release(started.first);
  EXPECT_EQ(engine.cache_bytes(), 0u);
  EXPECT_THROW(engine.release(started.first), core::InternalError);
  EXPECT_THROW(engine.tokens(started.first), core::InternalError);
}

TEST(Engine, RejectsWhatIsNoPrompt) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder(three_layers(), 1, DType::float32, {}, 5);
  EngineOptions options;
  options.max_tokens = 12;
  Engine engine(decoder, gist, {.kind = PolicyKind::gist_only}, options);
  const auto prefill = [&](std::vector<std::int32_t> tokens, std::vector<std::int8_t> level,
                           std::int64_t suffix = -1) {
    const Prompt prompt{std::move(tokens), std::move(level), suffix};
    engine.prefill(std::span(&prompt, 1));
  };
  const std::int32_t gist_token = static_cast<std::int32_t>(kTinyVocabulary);
  EXPECT_THROW(engine.prefill({}), core::InternalError);
  EXPECT_THROW(prefill({}, {}), core::InternalError);
  EXPECT_THROW(prefill({1, 2}, {-1}), core::InternalError);
  EXPECT_THROW(prefill({1, -2}, {-1, -1}), core::InternalError);
  EXPECT_THROW(prefill({1, gist_token}, {-1, -1}), core::InternalError);
  EXPECT_THROW(prefill({1, 2}, {-1, 0}), core::InternalError);
  EXPECT_THROW(prefill({1, gist_token + 1}, {-1, 1}), core::InternalError) << "one level";
  EXPECT_THROW(prefill({gist_token, 1}, {0, -1}), core::InternalError) << "begins with a gist";
  EXPECT_THROW(prefill({1, 2}, {-1, -1}, 3), core::InternalError);
  EXPECT_THROW(prefill(std::vector<std::int32_t>(13, 1), std::vector<std::int8_t>(13, -1)),
               core::UserError);
  EXPECT_THROW(engine.extend({}), core::InternalError);

  const Prompt prompt{std::vector<std::int32_t>(10, 1), std::vector<std::int8_t>(10, -1)};
  const std::int64_t first = engine.prefill(std::span(&prompt, 1)).first;
  const auto extend = [&](std::vector<Engine::Continuation> next) { engine.extend(next); };
  EXPECT_THROW(extend({{first, {}}}), core::InternalError);
  EXPECT_THROW(extend({{first + 1, {1}}}), core::InternalError);
  EXPECT_THROW(extend({{first, {gist_token}}}), core::InternalError) << "gists are not given";
  EXPECT_THROW(extend({{first, {1}}, {first, {1}}}), core::InternalError);
  EXPECT_THROW(extend({{first, {1, 2, 3}}}), core::UserError);
  extend({{first, {1, 2}}});
  EXPECT_EQ(engine.tokens(first).size(), 12);

  Engine full(decoder, gist, {});
  const Prompt gisted{{1, gist_token}, {-1, 0}};
  EXPECT_THROW(full.prefill(std::span(&gisted, 1)), core::InternalError);
  EXPECT_THROW(Engine(decoder, gist_of({3, 3}), {}), core::UserError);
  Decoder plain(three_layers(), 0, DType::float32, {}, 5);
  EXPECT_THROW(Engine(plain, {.chunks = {}}, {.kind = PolicyKind::gsa}), core::UserError);
}

INSTANTIATE_TEST_SUITE_P(Methods, EngineOf, testing::ValuesIn(settings_over({{3}, {2, 2}})),
                         [](const auto& setting) { return name_of(setting.param); });

}  // namespace
}  // namespace unfold::models
