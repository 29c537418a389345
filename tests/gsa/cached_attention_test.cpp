#include "gsa/cached_attention.h"

#include <gtest/gtest.h>
#include <omp.h>

#include "tests/gsa/cached_case.h"

namespace unfold::gsa {
namespace {

using core::DType;

class CachedAttentionOfPolicies : public testing::TestWithParam<std::string> {};

// A question far longer than what a thread gets at least: heads are cut between threads.
TEST_P(CachedAttentionOfPolicies, ManyThreadsGiveTheBitsOfOne) {
  CachedCase one{{4, 2, 16}, {}, {}, 5, 300, 900};
  one.config.kind = *policy_from_name(GetParam());
  one.config.ratio = 4;
  const int before = omp_get_max_threads();
  for (const std::vector<std::int64_t>& chunks : {std::vector<std::int64_t>{4}, {4, 3}}) {
    one.gist.chunks = chunks;
    omp_set_num_threads(1);
    const CachedResult alone = run_cached(one, DType::bfloat16, {});
    EXPECT_GT(alone.units, 0);
    for (const int threads : {2, 7}) {
      omp_set_num_threads(threads);
      const CachedResult together = run_cached(one, DType::bfloat16, {});
      EXPECT_EQ(together.out, alone.out) << threads << " threads";
      EXPECT_EQ(together.keys, alone.keys);
      EXPECT_EQ(together.scored, alone.scored);
      EXPECT_EQ(together.units, alone.units);
      EXPECT_EQ(together.spans, alone.spans) << threads << " threads";
    }
  }
  omp_set_num_threads(before);
}

// A prompt over the map of its window is the prompt asked query by query.
TEST(CachedAttention, WindowsOverAMapAsAsked) {
  const AttentionShape shape{4, 2, 16};
  const GistConfig gist{.chunks = {4}, .sinks = 2, .previous_chunks = 1};
  const auto policy = make_policy({.kind = PolicyKind::streaming, .ratio = 4}, gist, shape);
  const SequenceFacts facts{150, 160};
  SequenceTokens tokens(1);
  for (std::int64_t t = 0; t < facts.prompt; ++t) tokens.append(-1);
  const auto level = std::vector<std::int8_t>(160, -1);
  const auto document = std::vector<std::int32_t>(160, 0);
  const BlockMap map = make_window_map(make_layout(1, facts.prompt, 1, level, document),
                                       std::vector<KeyWindow>{*policy->prefix_window(facts)});
  const core::Tensor qkv =
      core::Tensor::from(random_values(facts.prompt * shape.qkv_width(), 9, DType::float64),
                         {facts.prompt, shape.qkv_width()});
  std::vector<std::vector<double>> results;
  for (const std::int64_t prefix : {std::int64_t{0}, policy->prefix(facts)}) {
    KeyStore store(shape, 1, DType::float64, {});
    std::vector<std::unique_ptr<HeadPolicy>> heads;
    for (std::int64_t h = 0; h < shape.kv_heads; ++h) heads.push_back(policy->head(facts, 0, h));
    CachedTokens sequence;
    sequence.tokens = &tokens;
    sequence.store = &store;
    sequence.heads = heads;
    sequence.prefix = prefix;
    sequence.observe_from = prefix;
    const core::Tensor out =
        cached_attention(qkv, shape, prefix > 0 ? &map : nullptr, {&sequence, 1});
    EXPECT_EQ(sequence.count.units, (facts.prompt - prefix) * shape.kv_heads);
    results.push_back(out.to_vector<double>());
  }
  EXPECT_LE(largest_error(results[1], results[0]), 1e-13);
}

INSTANTIATE_TEST_SUITE_P(Policies, CachedAttentionOfPolicies, testing::ValuesIn(policy_names()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace unfold::gsa
