// The ways an engine runs a token (EnginePath) against the policies asked on the host: the same
// logits and the same keys, on the CPU and on a GPU.
#include <gtest/gtest.h>

#include "models/engine.h"
#include "tests/models/engine_setting.h"
#include "tests/models/tiny.h"
#include "tests/support/gpu.h"

namespace unfold::models {
namespace {

using core::DType;
using core::Tensor;
using gsa::PolicyKind;

constexpr core::Device kGpu{core::DeviceType::cuda, 0};

DecoderConfig decoder_config(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  DecoderConfig config = tiny_config();
  config.layers = 3;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.qkv_bias = true;
  return config;
}

Prompt prompt_for(PolicyKind kind, const gsa::GistConfig& gist, std::int64_t raw,
                  std::int64_t suffix, std::uint64_t seed) {
  if (gsa::reads_gists(kind)) return tiny_prompt(raw, suffix, gist, seed);
  Prompt prompt = tiny_prompt(raw, suffix, {.chunks = {}}, seed);
  prompt.suffix = raw;
  return prompt;
}

struct Result {
  std::vector<double> logits;
  gsa::ReadCount prefill, decode;
};

// Two prompts, then tokens of both at once, of one alone, and some of one together.
Result run(const Setting& setting, const DecoderConfig& config, DType dtype, core::Device device,
           EnginePath path) {
  const gsa::GistConfig gist = {.chunks = setting.chunks,
                                .sinks = 2,
                                .previous_chunks = 1,
                                .rule = gsa::InsertionRule::count};
  const gsa::PolicyConfig policy = {.kind = setting.kind,
                                    .first_layer = setting.kind == PolicyKind::quest ? 1 : -1,
                                    .selection = {.seed = 7},
                                    .observation_window = 4,
                                    .pooling = 3};
  Decoder decoder(config, gist.levels(), dtype, device, 11);
  EngineOptions options;
  options.streaming = setting.streaming;
  options.path = path;
  Engine engine(decoder, gist, policy, options);
  const std::vector<Prompt> prompts = {prompt_for(setting.kind, gist, 41, 3, 1),
                                       prompt_for(setting.kind, gist, 90, 5, 2)};
  Result result;
  const auto take = [&](const Tensor& logits) {
    const std::vector<double> values = logits.to_vector<double>();
    result.logits.insert(result.logits.end(), values.begin(), values.end());
  };
  const Engine::Started started = engine.prefill(prompts);
  take(started.logits);
  const std::vector<std::int32_t> later = tiny_prompt(0, 24, {.chunks = {}}, 5).tokens;
  for (std::size_t i = 0; i < 12; ++i) {
    const std::vector<Engine::Continuation> both = {{started.first, {later[i]}},
                                                    {started.first + 1, {later[i + 12]}}};
    take(engine.extend(both));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    const Engine::Continuation one{started.first + 1, {later[i]}};
    take(engine.extend(std::span(&one, 1)));
  }
  const Engine::Continuation some{started.first, {later.begin(), later.begin() + 4}};
  take(engine.extend(std::span(&some, 1)));
  EXPECT_EQ(engine.decode_reads().keys, engine.decode_reads().keys);  // asking changes nothing
  const Engine::Continuation many{started.first, later};
  take(engine.extend(std::span(&many, 1)));
  result.prefill = engine.prefill_reads();
  result.decode = engine.decode_reads();
  return result;
}

void expect_equal(const Result& got, const Result& expected, double tolerance) {
  EXPECT_LT(largest_difference(got.logits, expected.logits), tolerance);
  for (const auto& [ours, theirs] :
       {std::pair(got.prefill, expected.prefill), std::pair(got.decode, expected.decode)}) {
    EXPECT_EQ(ours.keys, theirs.keys);
    EXPECT_EQ(ours.scored, theirs.scored);
    EXPECT_EQ(ours.units, theirs.units);
  }
}

class EnginePaths : public testing::TestWithParam<Setting> {};

TEST_P(EnginePaths, AgreeOnTheCpu) {
  const DecoderConfig config = decoder_config(6, 2, 8);
  for (const DType dtype : {DType::float64, DType::float32}) {
    const Result expected = run(GetParam(), config, dtype, {}, EnginePath::host);
    EXPECT_GT(expected.decode.units, 0);
    for (const EnginePath path : {EnginePath::device, EnginePath::graph}) {
      SCOPED_TRACE(path == EnginePath::graph ? "graph" : "device");
      expect_equal(run(GetParam(), config, dtype, {}, path), expected,
                   dtype == DType::float64 ? 1e-9 : 1e-4);
    }
  }
}

// Heads of 8, which no kernel is made for, of 64 (16 packs of float32), and of 32 in one group.
TEST_P(EnginePaths, AgreeOnAGpu) {
  UNFOLD_NEEDS_GPU();
  for (const auto& [heads, kv_heads, width] :
       {std::array<std::int64_t, 3>{6, 2, 8}, {6, 2, 64}, {5, 1, 32}, {3, 3, 16}}) {
    SCOPED_TRACE(fmt::format("{}/{} heads of {}", heads, kv_heads, width));
    const DecoderConfig config = decoder_config(heads, kv_heads, width);
    for (const DType dtype : {DType::float64, DType::float32}) {
      // These weigh keys in the dtype, and may choose otherwise in another order of sums.
      const bool weighs =
          GetParam().kind == PolicyKind::h2o || GetParam().kind == PolicyKind::snapkv;
      if (weighs && dtype == DType::float32) continue;
      const Result expected = run(GetParam(), config, dtype, {}, EnginePath::host);
      for (const EnginePath path : {EnginePath::host, EnginePath::device, EnginePath::graph}) {
        SCOPED_TRACE(fmt::format("{}, path {}", name_of(dtype), static_cast<int>(path)));
        expect_equal(run(GetParam(), config, dtype, kGpu, path), expected,
                     dtype == DType::float64 ? 1e-9 : 1e-4);
      }
    }
  }
}

TEST_P(EnginePaths, GiveTheSameBitsTwiceOnAGpu) {
  UNFOLD_NEEDS_GPU();
  const DecoderConfig config = decoder_config(6, 2, 64);
  const Result eager = run(GetParam(), config, DType::bfloat16, kGpu, EnginePath::graph);
  EXPECT_EQ(run(GetParam(), config, DType::bfloat16, kGpu, EnginePath::graph).logits, eager.logits);
}

// Queries that an observer is told of, behind a prompt and some tokens that it is not told of.
struct Observed {
  std::vector<double> logits;
  std::vector<std::array<std::int64_t, 5>> queries;  // layer, head, position, keys, scored
  std::vector<std::vector<std::int32_t>> picks;
};

Observed observe(const Setting& setting, core::Device device, EnginePath path) {
  const gsa::GistConfig gist = {.chunks = setting.chunks,
                                .sinks = 2,
                                .previous_chunks = 1,
                                .rule = gsa::InsertionRule::count};
  Decoder decoder(decoder_config(6, 2, 8), gist.levels(), DType::float64, device, 11);
  Observed result;
  EngineOptions options;
  options.streaming = setting.streaming;
  options.path = path;
  const Prompt prompt = prompt_for(setting.kind, gist, 90, 5, 2);
  options.observe_from = static_cast<std::int64_t>(prompt.tokens.size()) + 3;
  options.observer = [&](const SelectedQuery& query, const gsa::SelectionTrace& trace,
                         const std::vector<gsa::CacheSpan>& spans) {
    EXPECT_GE(query.position, options.observe_from);
    result.queries.push_back(
        {query.layer, query.kv_head, query.position, gsa::count_keys(spans), trace.scored});
    result.picks.insert(result.picks.end(), trace.picks.begin(), trace.picks.end());
  };
  Engine engine(decoder, gist, {.kind = setting.kind}, options);
  const std::int64_t sequence = engine.prefill(std::span(&prompt, 1)).first;
  const std::vector<std::int32_t> later = tiny_prompt(0, 9, {.chunks = {}}, 5).tokens;
  // The first two are not told of; the third pass is told of all but its first.
  for (const auto& [begin, end] : {std::pair(0, 1), {1, 2}, {2, 5}, {5, 9}}) {
    const Engine::Continuation next{sequence, {later.begin() + begin, later.begin() + end}};
    const std::vector<double> logits = engine.extend(std::span(&next, 1)).to_vector<double>();
    result.logits.insert(result.logits.end(), logits.begin(), logits.end());
  }
  return result;
}

void expect_observed_as_on_the_host(const Setting& setting, core::Device device) {
  const Observed expected = observe(setting, {}, EnginePath::host);
  EXPECT_FALSE(expected.queries.empty());
  for (const EnginePath path : {EnginePath::host, EnginePath::device, EnginePath::graph}) {
    SCOPED_TRACE(static_cast<int>(path));
    const Observed got = observe(setting, device, path);
    EXPECT_LT(largest_difference(got.logits, expected.logits), 1e-9);
    EXPECT_EQ(got.queries, expected.queries);
    EXPECT_EQ(got.picks, expected.picks);
  }
}

TEST_P(EnginePaths, ShowObserversTheSameOnTheCpu) {
  expect_observed_as_on_the_host(GetParam(), {});
}

TEST_P(EnginePaths, ShowObserversTheSameOnAGpu) {
  UNFOLD_NEEDS_GPU();
  expect_observed_as_on_the_host(GetParam(), kGpu);
}

INSTANTIATE_TEST_SUITE_P(Methods, EnginePaths,
                         testing::ValuesIn(settings_over({{3}, {2, 2}, {2, 3, 2}})),
                         [](const auto& setting) { return name_of(setting.param); });

}  // namespace
}  // namespace unfold::models
