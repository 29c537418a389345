// Attention over cached keys on the GPU against the CPU: prefill and decoding under every policy.
#include "gsa/cached_attention.h"

#include <gtest/gtest.h>

#include "gsa/kernels/decode.h"
#include "tests/gsa/attention_case.h"
#include "tests/gsa/cuda/on_device.h"
#include "tests/support/case_count.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

constexpr std::int64_t kContext = 60;
constexpr std::int64_t kPrompt = 68;
constexpr std::int64_t kDecoded = 5;

// Level of token t: chunks of four raw tokens, with two levels a higher gist behind every third.
int level_of(std::int64_t t, int levels, bool gists) {
  if (!gists || t >= kContext) return -1;
  if (levels == 1) return t % 5 == 4 ? 0 : -1;
  const std::int64_t in_group = t % 15;
  if (in_group == 14) return 1;
  return in_group == 4 || in_group == 8 || in_group == 13 ? 0 : -1;
}

struct CachedCase {
  AttentionShape shape;
  GistConfig gist;
  PolicyConfig config;
  std::uint64_t seed = 0;
};

struct CachedResult {
  std::vector<double> out;  // of all calls, one behind the other
  std::int64_t keys = 0, scored = 0, units = 0;
  std::vector<CacheSpan> spans;  // of all selected queries
};

// A prompt at once, then token by token, of two sequences of different lengths in one batch.
CachedResult run(const CachedCase& one, DType dtype, Device device) {
  const auto policy = make_policy(one.config, one.gist, one.shape);
  const int levels = one.gist.levels();
  constexpr std::int64_t kLayer = 3;
  CachedResult result;
  const SelectionObserver observer = [&](std::int64_t, std::int64_t, const SelectionTrace&,
                                         const std::vector<CacheSpan>& spans) {
    result.spans.insert(result.spans.end(), spans.begin(), spans.end());
  };
  std::vector<SequenceTokens> tokens(2, SequenceTokens(levels));
  std::vector<KeyStore> stores(2, KeyStore(one.shape, levels, dtype, device));
  std::vector<std::vector<std::unique_ptr<HeadPolicy>>> heads(2);
  std::vector<SequenceFacts> facts = {{kContext, kPrompt}, {kContext, kPrompt + 3}};
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::int64_t h = 0; h < one.shape.kv_heads; ++h) {
      heads[s].push_back(policy->head(facts[s], kLayer, h));
    }
  }
  for (std::int64_t step = 0; step <= kDecoded; ++step) {
    std::vector<CachedTokens> sequences(2);
    std::int64_t rows = 0;
    for (std::size_t s = 0; s < 2; ++s) {
      CachedTokens& sequence = sequences[s];
      sequence.first = tokens[s].size();
      const std::int64_t count = step == 0 ? facts[s].prompt : 1;
      for (std::int64_t i = 0; i < count; ++i) {
        tokens[s].append(level_of(tokens[s].size(), levels, policy->gists()));
      }
      sequence.tokens = &tokens[s];
      sequence.store = &stores[s];
      sequence.heads = heads[s];
      sequence.row = rows;
      sequence.prefix = policy->prefix(facts[s]);
      sequence.observe_from = policy->observe_from(facts[s]);
      sequence.observer = &observer;
      rows += count;
    }
    const Tensor qkv = make_tensor(
        random_values(rows * one.shape.qkv_width(),
                      one.seed * 100 + static_cast<std::uint64_t>(step), DType::bfloat16),
        {rows, one.shape.qkv_width()}, dtype, device);
    const Tensor out = filled({rows, one.shape.out_width()}, 7, dtype, device);
    kernels::cached_attention(qkv, one.shape, sequences, out);
    const std::vector<double> values = out.to_vector<double>();
    result.out.insert(result.out.end(), values.begin(), values.end());
    for (const CachedTokens& sequence : sequences) {
      result.keys += sequence.count.keys;
      result.scored += sequence.count.scored;
      result.units += sequence.count.units;
    }
  }
  return result;
}

class CudaCachedAttention : public testing::TestWithParam<std::string> {};

TEST_P(CudaCachedAttention, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  struct Heads {
    AttentionShape shape;
    int levels;
  };
  constexpr Heads kHeads[] = {{{4, 2, 64}, 1},  {{4, 1, 128}, 2}, {{2, 2, 12}, 1}, {{4, 2, 64}, 2},
                              {{4, 1, 128}, 1}, {{2, 2, 12}, 2},  {{7, 1, 8}, 1},  {{7, 1, 8}, 2},
                              {{18, 1, 4}, 1},  {{18, 1, 4}, 2}};
  std::uint64_t seed = 0;
  for (const Heads& heads : test::cases(kHeads)) {
    CachedCase one{heads.shape, {}, {}, ++seed};
    one.gist.chunks =
        heads.levels == 1 ? std::vector<std::int64_t>{4} : std::vector<std::int64_t>{4, 3};
    one.config.kind = *policy_from_name(GetParam());
    one.config.ratio = 4;
    one.config.selection.quarter_cap = false;
    const CachedResult host = run(one, DType::float64, {});
    const CachedResult there = run(one, DType::float64, kGpu);
    EXPECT_LE(largest_error(there.out, host.out), 1e-10) << "seed " << seed;
    EXPECT_EQ(there.keys, host.keys);
    EXPECT_EQ(there.scored, host.scored);
    EXPECT_EQ(there.units, host.units);
    EXPECT_EQ(there.spans, host.spans) << "seed " << seed;
    EXPECT_GT(there.units, 0);
    // Equal inputs in every dtype; a policy that weighs in float32 may choose otherwise.
    if (GetParam() == "h2o" || GetParam() == "snapkv") continue;
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const CachedResult low = run(one, dtype, kGpu);
      EXPECT_EQ(low.spans, host.spans) << "seed " << seed;
      EXPECT_LE(largest_error(low.out, host.out), dtype == DType::float32 ? 1e-5 : 0.05)
          << "seed " << seed;
    }
  }
}

TEST_P(CudaCachedAttention, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  CachedCase one{{4, 2, 64}, {}, {}, 3};
  one.gist.chunks = {4};
  one.config.kind = *policy_from_name(GetParam());
  one.config.ratio = 4;
  const CachedResult first = run(one, DType::bfloat16, kGpu);
  const CachedResult second = run(one, DType::bfloat16, kGpu);
  EXPECT_EQ(first.out, second.out);
  EXPECT_EQ(first.spans, second.spans);
}

INSTANTIATE_TEST_SUITE_P(Policies, CudaCachedAttention, testing::ValuesIn(policy_names()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace unfold::gsa
