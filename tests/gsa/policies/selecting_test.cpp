// The selecting policies pick what the selection of training picks (gsa/kernels/selection.h), and
// attend as the definition says.
#include "gsa/policies/selecting.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "gsa/cached_attention.h"
#include "gsa/chunk_table.h"
#include "gsa/insertion.h"
#include "gsa/kernels/selection.h"

namespace unfold::gsa {
namespace {

using core::DType;
using core::Tensor;

// A gisted context and a raw suffix.
std::vector<std::int8_t> levels_of(std::int64_t raw, std::int64_t suffix, const GistConfig& gist) {
  std::vector<std::int8_t> level;
  for (const Element& element : insert_gists(raw, {}, gist)) level.push_back(element.level);
  level.insert(level.end(), static_cast<std::size_t>(suffix), -1);
  return level;
}

TEST(SelectingPolicy, PicksWhatTrainingPicks) {
  core::Random random(9);
  std::int64_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    const std::int64_t kv_heads = 1 + random.below(2);
    const AttentionShape shape{kv_heads * (1 + random.below(3)), kv_heads, 8};
    GistConfig gist = {.chunks = {3}, .sinks = 2, .rule = InsertionRule::count};
    for (std::uint32_t more = random.below(3); more > 0; --more) gist.chunks.push_back(2);
    const std::int64_t suffix = 1 + random.below(6);
    const std::vector<std::int8_t> level = levels_of(20 + random.below(80), suffix, gist);
    const auto length = static_cast<std::int64_t>(level.size());

    const Tensor exact = Tensor::empty({length, shape.qkv_width()}, DType::float64);
    for (std::int64_t i = 0; i < exact.size(); ++i) exact.data<double>()[i] = random.normal();
    const Tensor qkv = exact.to(round % 2 == 0 ? DType::float64 : DType::float32);

    SelectionConfig config = {.chunk = 3, .rho = gist.ratio()};
    const Budget budgets[] = {Budget::paper, Budget::fixed, Budget::ratio, Budget::top_p};
    config.budget = budgets[round % 4];
    config.chunks = 3;
    config.ratio = 4;
    config.quarter_cap = random.below(2) == 0;
    const bool flat = gist.levels() == 1 && random.below(2) == 0;
    if (flat) config.pivot = Pivot::mean_pool;

    const std::vector<std::int32_t> document(level.size(), 0);
    const Layout layout = make_layout(1, length, gist.levels(), level, document);
    const ChunkTable table = make_chunk_table(layout);
    Selection expected;
    kernels::select_chunks(qkv, shape, table, length, config, expected);

    const auto policy = make_selecting_policy(config, !flat, 0, gist, shape);
    const SequenceFacts facts = {length - suffix, length};
    std::vector<std::unique_ptr<HeadPolicy>> heads;
    for (std::int64_t h = 0; h < kv_heads; ++h) heads.push_back(policy->head(facts, 0, h));
    SequenceTokens tokens(gist.levels());
    for (const std::int8_t one : level) tokens.append(one);
    KeyStore store(shape, gist.levels(), qkv.dtype(), {});
    const SelectionObserver observer = [&](std::int64_t kv_head, std::int64_t position,
                                           const SelectionTrace& trace,
                                           const std::vector<CacheSpan>&) {
      const std::int64_t query = position - facts.context;
      ASSERT_EQ(trace.picks.size(), static_cast<std::size_t>(gist.levels()));
      for (int l = 0; l < gist.levels(); ++l) {
        const auto wanted = expected.of(query, kv_head, l);
        ASSERT_EQ(trace.picks[static_cast<std::size_t>(l)],
                  (std::vector<std::int32_t>(wanted.begin(), wanted.end())))
            << "round " << round << " query " << query << " level " << l;
        ++compared;
      }
    };
    const BlockMap map = make_block_map(layout, gist, Visibility::gist);
    CachedTokens sequence;
    sequence.tokens = &tokens;
    sequence.store = &store;
    sequence.heads = heads;
    sequence.prefix = policy->prefix(facts);
    sequence.observe_from = policy->observe_from(facts);
    sequence.observer = &observer;
    cached_attention(qkv, shape, &map, std::span(&sequence, 1));
    EXPECT_EQ(sequence.count.scored, expected.scores_computed);
  }
  EXPECT_GT(compared, 300);
}

}  // namespace
}  // namespace unfold::gsa
