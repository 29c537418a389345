#include "gsa/policies/section5.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "gsa/visibility.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

// Positions of the keys of spans.
std::vector<bool> seen_by(const SequenceTokens& tokens, std::vector<CacheSpan> spans) {
  normalise(spans);
  std::vector<bool> seen(static_cast<std::size_t>(tokens.size()), false);
  for (std::int64_t t = 0; t < tokens.size(); ++t) {
    const int section = section_of(tokens.level(t));
    const std::int32_t index = tokens.before(section, t);
    for (const CacheSpan& span : spans) {
      if (span.section == section && index >= span.begin && index < span.end) {
        seen[static_cast<std::size_t>(t)] = true;
      }
    }
  }
  return seen;
}

TEST(Section5View, EqualsTheRuleForEveryPair) {
  std::int64_t pairs = 0;
  for (int levels = 0; levels <= 3; ++levels) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const RandomLayoutOptions options{
          .rows = 1, .length = 48, .levels = levels, .padding = false, .documents = false};
      const Layout layout = random_layout(seed, options);
      const GistConfig gist = random_gist_config(seed, options);
      SequenceTokens whole(levels);
      for (const std::int8_t level : layout.level) whole.append(level);
      // The view of a query is the same whether later tokens are there or not.
      SequenceTokens growing(levels);
      for (std::int64_t q = 0; q < layout.length; ++q) {
        growing.append(layout.level[static_cast<std::size_t>(q)]);
        // What a query sees does not depend on what follows, but for a document whose first gist
        // is yet to come: it is causal, and so is the rule before the first gist.
        const VisibilityCounts counts = count_row(layout, 0, gist);
        std::vector<CacheSpan> spans;
        append_section5(whole, gist, q, spans);
        std::vector<CacheSpan> early;
        append_section5(growing, gist, q, early);
        const std::vector<bool> seen = seen_by(whole, spans);
        const std::vector<bool> seen_early = seen_by(growing, early);
        for (std::int64_t k = 0; k < layout.length; ++k) {
          const auto at = static_cast<std::size_t>(k);
          ASSERT_EQ(seen[at], visible(counts, q, k, gist, Visibility::gist))
              << "levels " << levels << " seed " << seed << " query " << q << " key " << k;
          if (k <= q) {
            ASSERT_EQ(seen_early[at], seen[at]);
          }
          ++pairs;
        }
      }
    }
  }
  EXPECT_GT(pairs, 100000);
}

TEST(SequenceTokens, CountsPositionsAndChildren) {
  SequenceTokens tokens(2);
  for (const int level : {-1, -1, 0, -1, 0, 1, -1}) tokens.append(level);
  EXPECT_EQ(tokens.size(), 7);
  const std::vector<std::int32_t> rope = {0, 1, 1, 2, 2, 2, 3};
  for (std::size_t t = 0; t < rope.size(); ++t) {
    EXPECT_EQ(tokens.rope(static_cast<std::int64_t>(t)), rope[t]);
  }
  EXPECT_EQ(tokens.gists(0).gist, (std::vector<std::int32_t>{2, 4}));
  EXPECT_EQ(tokens.gists(0).first_child, (std::vector<std::int32_t>{0, 2, 3}));
  EXPECT_EQ(tokens.gists(1).first_child, (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(tokens.covered(-1, 1, 1), 3);
  EXPECT_EQ(tokens.before(0, 7), 4);
  EXPECT_THROW(tokens.append(1), core::InternalError) << "not behind a level-0 gist";
  EXPECT_THROW(tokens.append(2), core::InternalError);
  EXPECT_THROW(tokens.append(-2), core::InternalError);
}

TEST(CacheSpans, AreSortedAndJoined) {
  std::vector<CacheSpan> spans = {{1, 4, 6}, {0, 5, 9}, {0, 3, 3}, {0, 0, 2}, {0, 2, 3}, {0, 7, 8}};
  normalise(spans);
  EXPECT_EQ(spans, (std::vector<CacheSpan>{{0, 0, 3}, {0, 5, 9}, {1, 4, 6}}));
  EXPECT_EQ(count_keys(spans), 3 + 4 + 2);
}

TEST(KeyStore, KeepsWhatItHoldsWhenItGrows) {
  const AttentionShape shape{2, 2, 3};
  KeyStore store(shape, 1, core::DType::float64, {});
  std::int64_t written = 0;
  for (const std::int64_t count : {1, 3, 1, 1, 7}) {
    ASSERT_EQ(store.extend(1, count), written);
    for (; written < store.size(1); ++written) {
      for (std::int64_t h = 0; h < 2; ++h) {
        const std::int64_t at = (h * store.keys(1).dim(1) + written) * 3;
        store.keys(1).data<double>()[at] = static_cast<double>(100 * h + written);
        store.values(1).data<double>()[at + 2] = static_cast<double>(1000 * h + written);
      }
    }
    for (std::int64_t i = 0; i < written; ++i) {
      for (std::int64_t h = 0; h < 2; ++h) {
        const std::int64_t at = (h * store.keys(1).dim(1) + i) * 3;
        ASSERT_EQ(store.keys(1).data<double>()[at], static_cast<double>(100 * h + i));
        ASSERT_EQ(store.values(1).data<double>()[at + 2], static_cast<double>(1000 * h + i));
      }
    }
  }
  EXPECT_EQ(store.size(0), 0);
  EXPECT_THROW(store.extend(2, 1), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
