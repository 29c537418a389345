// Prefill and decoding over cached keys under a policy, as tests compare it between devices and
// numbers of threads.
#pragma once

#include <memory>
#include <vector>

#include "gsa/cached_attention.h"
#include "gsa/kernels/decode.h"
#include "tests/gsa/attention_case.h"

namespace unfold::gsa {

// Level of token t: chunks of four raw tokens, with two levels a higher gist behind every third.
inline int level_of(std::int64_t t, int levels, bool gists) {
  if (!gists) return -1;
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
  std::int64_t context = 60;
  std::int64_t prompt = 68;  // the first sequence's: the second has three tokens more
};

struct CachedResult {
  std::vector<double> out;  // of all calls, one behind the other
  std::int64_t keys = 0, scored = 0, units = 0;
  std::vector<CacheSpan> spans;  // of all selected queries
};

// A prompt at once, then token by token, of two sequences of different lengths in one batch.
inline CachedResult run_cached(const CachedCase& one, core::DType dtype, core::Device device) {
  using core::Tensor;
  constexpr std::int64_t kDecoded = 5;
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
  std::vector<SequenceFacts> facts = {{one.context, one.prompt}, {one.context, one.prompt + 3}};
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
        const std::int64_t t = tokens[s].size();
        tokens[s].append(t < one.context ? level_of(t, levels, policy->gists()) : -1);
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
    const std::vector<double> values =
        random_values(rows * one.shape.qkv_width(),
                      one.seed * 100 + static_cast<std::uint64_t>(step), core::DType::bfloat16);
    const Tensor qkv = Tensor::from(values, {rows, one.shape.qkv_width()}).to(dtype).to(device);
    const Tensor out = Tensor::full({rows, one.shape.out_width()}, 7.0, dtype).to(device);
    kernels::cached_attention(qkv, one.shape, sequences, out);
    const std::vector<double> rows_out = out.to_vector<double>();
    result.out.insert(result.out.end(), rows_out.begin(), rows_out.end());
    for (const CachedTokens& sequence : sequences) {
      result.keys += sequence.count.keys;
      result.scored += sequence.count.scored;
      result.units += sequence.count.units;
    }
  }
  return result;
}

}  // namespace unfold::gsa
