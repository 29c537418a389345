// What makes each policy what it is, on hand-made keys and queries.
#include "gsa/policies/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/random.h"
#include "gsa/policies/context_budget.h"
#include "gsa/policies/snapkv.h"

namespace unfold::gsa {
namespace {

// Keys in memory, by section and index.
class TableKeys : public KeyReader {
 public:
  TableKeys(int sections, std::int64_t width)
      : width_(width), keys_(static_cast<std::size_t>(sections)) {}

  std::vector<double>& add(int section) {
    keys_[static_cast<std::size_t>(section)].emplace_back(static_cast<std::size_t>(width_), 0.0);
    return keys_[static_cast<std::size_t>(section)].back();
  }
  const std::vector<double>& at(int section, std::int32_t index) const {
    return keys_[static_cast<std::size_t>(section)].at(static_cast<std::size_t>(index));
  }

  void score(const CacheSpan& span, std::span<const double> query, double* scores) const override {
    for (std::int32_t j = span.begin; j < span.end; ++j) {
      const std::vector<double>& key = at(span.section, j);
      scores[j - span.begin] = std::inner_product(query.begin(), query.end(), key.begin(), 0.0);
    }
  }
  void read(const CacheSpan& span, double* out) const override {
    for (std::int32_t j = span.begin; j < span.end; ++j) {
      out = std::copy(at(span.section, j).begin(), at(span.section, j).end(), out);
    }
  }

 private:
  std::int64_t width_;
  std::vector<std::vector<std::vector<double>>> keys_;
};

constexpr AttentionShape kShape{1, 1, 4};

// A sequence of random keys, and one head of a policy that reads it.
class Stage {
 public:
  Stage(const PolicyConfig& config, const GistConfig& gist, std::int64_t context,
        std::int64_t prompt, const AttentionShape& shape = kShape, std::int64_t layer = 5)
      : gist_(gist),
        shape_(shape),
        facts_{context, prompt},
        policy_(make_policy(config, gist, shape)),
        head_(policy_->head(facts_, layer, 0)),
        tokens_(gist.levels()),
        keys_(gist.levels() + 1, shape.width) {}

  std::vector<double>& add(int level = -1) {
    tokens_.append(level);
    std::vector<double>& key = keys_.add(section_of(level));
    for (double& value : key) value = random_.normal();
    return key;
  }
  void add_raw(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) add();
  }

  // The positions that the query at the last position reads.
  std::set<std::int64_t> ask(std::vector<double> query = {}) {
    while (static_cast<std::int64_t>(query.size()) < shape_.group() * shape_.width) {
      query.push_back(random_.normal());
    }
    const PolicyQuery asked = {tokens_.size() - 1, query, keys_, tokens_};
    std::vector<CacheSpan> spans;
    trace = {};
    head_->select(asked, spans, trace);
    normalise(spans);
    if (head_->wants_weights()) head_->attended(asked, spans, weights(asked, spans));
    std::set<std::int64_t> positions;
    for (std::int64_t t = 0; t < tokens_.size(); ++t) {
      const int section = section_of(tokens_.level(t));
      const std::int32_t index = tokens_.before(section, t);
      for (const CacheSpan& span : spans) {
        if (span.section == section && index >= span.begin && index < span.end) positions.insert(t);
      }
    }
    return positions;
  }
  // Raw positions [first, last), all of them this query.
  void observe(std::int32_t first, std::int32_t last, const std::vector<double>& query) {
    EXPECT_TRUE(head_->observes());
    std::vector<double> attention(static_cast<std::size_t>(last), 0.0);
    for (std::int32_t t = first; t < last; ++t) {
      const std::vector<double> one = weights({t, query, keys_, tokens_}, {{0, 0, t + 1}});
      for (std::size_t i = 0; i < one.size(); ++i) attention[i] += one[i];
    }
    head_->observe(attention);
  }

  const SequenceFacts& facts() const { return facts_; }
  const AttentionPolicy& policy() const { return *policy_; }
  SelectionTrace trace;

 private:
  std::vector<double> weights(const PolicyQuery& query, const std::vector<CacheSpan>& spans) const {
    std::vector<double> all(static_cast<std::size_t>(count_keys(spans)));
    std::size_t at = 0;
    double total = 0;
    for (const CacheSpan& span : spans) {
      keys_.score(span, query.head(0, shape_.width), all.data() + at);
      at += static_cast<std::size_t>(span.end - span.begin);
    }
    for (double& value : all) total += value = std::exp(value / 2);
    for (double& value : all) value /= total;
    return all;
  }

  GistConfig gist_;
  AttentionShape shape_;
  SequenceFacts facts_;
  std::unique_ptr<AttentionPolicy> policy_;
  std::unique_ptr<HeadPolicy> head_;
  SequenceTokens tokens_;
  TableKeys keys_;
  core::Random random_{3};
};

const GistConfig kGist = {.chunks = {4}, .sinks = 2, .previous_chunks = 1};

std::set<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::set<std::int64_t> all;
  for (std::int64_t i = begin; i < end; ++i) all.insert(i);
  return all;
}
std::set<std::int64_t> unite(std::set<std::int64_t> a, const std::set<std::int64_t>& b) {
  a.insert(b.begin(), b.end());
  return a;
}

TEST(Policies, NamesAndGists) {
  EXPECT_EQ(policy_names().size(), 10u);
  for (const std::string& name : policy_names()) {
    const auto kind = policy_from_name(name);
    ASSERT_TRUE(kind.has_value());
    EXPECT_EQ(name_of(*kind), name);
    PolicyConfig config;
    config.kind = *kind;
    EXPECT_EQ(make_policy(config, kGist, kShape)->gists(), reads_gists(*kind));
  }
  EXPECT_FALSE(policy_from_name("gist").has_value());
  EXPECT_FALSE(policy_from_name("").has_value());
}

TEST(Policies, BadSettingsAreUserErrors) {
  const auto refused = [](PolicyConfig config, const GistConfig& gist = kGist) {
    EXPECT_THROW(make_policy(config, gist, kShape), core::UserError);
  };
  refused({.kind = PolicyKind::gsa}, {.chunks = {}});
  refused({.kind = PolicyKind::quest, .ratio = 0.5});
  refused({.kind = PolicyKind::quest, .ratio = -1});
  refused({.kind = PolicyKind::snapkv, .pooling = 4});
  refused({.kind = PolicyKind::snapkv, .observation_window = 0});
  refused({.kind = PolicyKind::quest, .first_layer = -2});
  make_policy({.kind = PolicyKind::quest}, {.chunks = {}}, kShape);  // pages without gists
}

// One number of context keys for all.
TEST(ContextBudget, IsThatOfSelection) {
  const AttentionShape shape{4, 2, 4};
  const ContextBudget budget({.quarter_cap = false, .chunk = 4, .rho = 4}, kGist, shape);
  // 400 raw tokens, 100 gists: k = 500 / 4 / 2 / 4 + 1 = 16; 2 + 4 + 2 heads x 16 x (4 + 1).
  EXPECT_EQ(budget.context_keys({390, 400}), 2 + 4 + 2 * 16 * 5 - 0);
  EXPECT_EQ(budget.cache_keys({390, 400}), 2 + 4 + 2 * 16 * 5 + 10);
  EXPECT_EQ(budget.context_keys({20, 24}), 2 + 4 + 2 * 1 * 5);
  EXPECT_EQ(budget.context_keys({3, 9}), 3) << "no more than there is";
  EXPECT_EQ(budget.context_keys({0, 9}), 0);
  const SelectionConfig fixed{.budget = Budget::fixed, .chunks = 3, .chunk = 4, .rho = 4};
  EXPECT_EQ(ContextBudget(fixed, kGist, shape).context_keys({390, 400}), 2 + 4 + 2 * 3 * 5);
  const SelectionConfig by_mass{
      .budget = Budget::top_p, .quarter_cap = false, .chunk = 4, .rho = 4};
  EXPECT_EQ(ContextBudget(by_mass, kGist, shape).context_keys({390, 400}),
            budget.context_keys({390, 400}))
      << "scores would decide";
}

// A budget of all the context reads all of it, also where the last page is not whole.
TEST(ContextBudget, OfAllReadsAll) {
  for (const PolicyKind kind : {PolicyKind::streaming, PolicyKind::snapkv, PolicyKind::quest}) {
    PolicyConfig config = {.kind = kind, .first_layer = 0};
    config.selection = {.budget = Budget::fixed, .chunks = 1000, .quarter_cap = false};
    Stage stage(config, kGist, 66, 70);
    stage.add_raw(70);
    EXPECT_EQ(stage.ask(), range(0, 70)) << name_of(kind);
  }
}

TEST(Streaming, ReadsSinksAndARecentWindow) {
  Stage stage({.kind = PolicyKind::streaming, .ratio = 8}, kGist, 60, 64);
  // 79 entries: k = 79 / 8 / 4 + 1 = 3; 2 + 4 + 3 * 5 and the 4 of the suffix, sinks included.
  const std::int64_t cache = 2 + 4 + 3 * 5 + 4;
  // Queries within the context read the same, over a map.
  EXPECT_EQ(stage.policy().prefix(stage.facts()), 60);
  const std::optional<KeyWindow> window = stage.policy().prefix_window(stage.facts());
  ASSERT_TRUE(window.has_value());
  const Reach reach = window_reach(
      make_layout(1, 90, 0, std::vector<std::int8_t>(90, -1), std::vector<std::int32_t>(90, 0)),
      {&*window, 1});
  for (std::int64_t t = 0; t < 90; ++t) {
    stage.add();
    std::set<std::int64_t> mapped;
    for (std::int64_t k = 0; k <= t; ++k) {
      if (t < reach.at(0, 0, k)) mapped.insert(k);
    }
    const std::set<std::int64_t> expected =
        unite(range(0, std::min<std::int64_t>(2, t + 1)),
              range(std::max<std::int64_t>(0, t + 1 - (cache - 2)), t + 1));
    ASSERT_EQ(stage.ask(), expected) << t;
    ASSERT_EQ(mapped, expected) << t;
  }
}

// A page with one key that answers the query is read, wherever it is.
TEST(Quest, ReadsThePageOfTheNeedle) {
  for (const std::int64_t needle : {0, 17, 63, 65}) {
    Stage stage({.kind = PolicyKind::quest, .ratio = 16}, kGist, 66, 70);
    for (std::int64_t t = 0; t < 66; ++t) {
      std::vector<double>& key = stage.add();
      if (t == needle) key = {9, -9, 0, 0};
    }
    stage.add_raw(4);
    const std::set<std::int64_t> read = stage.ask({1, -1, 0, 0});
    const std::int64_t page = needle / 4;
    for (std::int64_t t = page * 4; t < std::min<std::int64_t>(66, page * 4 + 4); ++t) {
      EXPECT_TRUE(read.contains(t)) << needle;
    }
    for (std::int64_t t = 66; t < 70; ++t) EXPECT_TRUE(read.contains(t)) << "behind the context";
    EXPECT_LT(read.size(), 30u);
    EXPECT_EQ(stage.trace.scored, 17) << "a score a page";
  }
}

TEST(Quest, FirstLayersAreDense) {
  for (const std::int64_t layer : {0, 1, 2}) {
    Stage stage({.kind = PolicyKind::quest, .ratio = 16}, kGist, 66, 70, kShape, layer);
    stage.add_raw(70);
    EXPECT_EQ(stage.ask().size() == 70, layer < 2);
  }
}

TEST(SnapKv, KeepsWhatTheWindowLooksAtWithItsNeighbours) {
  const PolicyConfig config = {
      .kind = PolicyKind::snapkv, .ratio = 16, .observation_window = 3, .pooling = 3};
  Stage stage(config, kGist, 60, 64);
  for (std::int64_t t = 0; t < 64; ++t) {
    std::vector<double>& key = stage.add();
    key = {t == 20 || t == 40 ? 6.0 : 0.0, 0, 0, 0};
  }
  EXPECT_EQ(stage.policy().prefix(stage.facts()), 64) << "the prompt attends fully";
  ASSERT_EQ(stage.policy().observe_from(stage.facts()), 61);
  stage.observe(61, 64, {3, 0, 0, 0});
  stage.add();
  std::set<std::int64_t> read = stage.ask();
  for (const std::int64_t t : {19, 20, 21, 39, 40, 41, 61, 62, 63, 64}) {
    EXPECT_TRUE(read.contains(t)) << t;
  }
  const std::size_t kept = read.size() - 1;
  EXPECT_LT(kept, 30u);
  // What is kept stays, and all that is generated is read.
  for (std::int64_t t = 65; t < 90; ++t) {
    stage.add();
    read.insert(t);
    EXPECT_EQ(stage.ask(), read);
  }
}

TEST(SnapKv, MaxPoolingKeepsClusters) {
  const std::vector<double> votes = {0, 5, 0, 0, 1, 0, 7};
  EXPECT_EQ(max_pool(votes, 1), votes);
  EXPECT_EQ(max_pool(votes, 3), (std::vector<double>{5, 5, 5, 1, 1, 7, 7}));
  EXPECT_EQ(max_pool(votes, 5), (std::vector<double>{5, 5, 5, 5, 7, 7, 7}));
  EXPECT_TRUE(max_pool({}, 3).empty());
}

TEST(H2o, HeavyHittersStayAndWhatIsEvictedNeverReturns) {
  Stage stage({.kind = PolicyKind::h2o, .ratio = 16}, kGist, 60, 64);
  for (std::int64_t t = 0; t < 64; ++t) {
    std::vector<double>& key = stage.add();
    key = {t == 10 ? 5.0 : 0.1 * static_cast<double>(t % 3), 0, 0, 0};
  }
  EXPECT_EQ(stage.policy().observe_from(stage.facts()), 0);
  stage.observe(0, 64, {2, 0, 0, 0});
  std::set<std::int64_t> before = range(0, 64);
  std::size_t size = 0;
  for (std::int64_t t = 64; t < 120; ++t) {
    stage.add();
    const std::set<std::int64_t> read = stage.ask({2, 0, 0, 0});
    EXPECT_TRUE(read.contains(10)) << "the heavy hitter";
    EXPECT_TRUE(read.contains(t) && read.contains(t - 1)) << "the recent ones";
    if (size == 0) size = read.size();
    EXPECT_EQ(read.size(), size) << "a cache of one size";
    for (const std::int64_t key : read) EXPECT_TRUE(key == t || before.contains(key)) << key;
    before = read;
  }
  EXPECT_LT(size, 30u);
}

// A gisted context of `chunks` chunks of 4; the raw and gist keys of chunk `needle` are set.
void add_context(Stage& stage, int chunks, int needle, const std::vector<double>& raw,
                 const std::vector<double>& gist) {
  for (int chunk = 0; chunk < chunks; ++chunk) {
    for (int i = 0; i < 4; ++i) {
      std::vector<double>& key = stage.add();
      if (chunk == needle) key = raw;
    }
    std::vector<double>& key = stage.add(0);
    if (chunk == needle) key = gist;
  }
}

TEST(Selecting, EachPivotFindsItsChunk) {
  const std::vector<double> here = {9, 0, 0, 0};
  const std::vector<double> away = {-9, 0, 0, 0};
  for (const PolicyKind kind : {PolicyKind::gsa, PolicyKind::h_gsa, PolicyKind::mean_pool}) {
    Stage stage({.kind = kind, .selection = {.budget = Budget::fixed, .chunks = 1}}, kGist, 100,
                103);
    // Gists rank by their own keys, mean_pool by the raw keys.
    const bool pooled = kind == PolicyKind::mean_pool;
    add_context(stage, 20, 7, pooled ? here : away, pooled ? away : here);
    stage.add_raw(3);
    const std::set<std::int64_t> read = stage.ask({1, 0, 0, 0});
    EXPECT_EQ(stage.trace.picks, (std::vector<std::vector<std::int32_t>>{{7}}));
    // Sinks, the chunk with its gist, the previous chunk raw, the suffix.
    EXPECT_EQ(read,
              unite(unite(range(0, 2), range(35, 40)), unite(range(95, 99), range(100, 103))));
    EXPECT_EQ(stage.trace.scored, 20);
  }
}

TEST(Selecting, RandomDrawsEveryChunkEqually) {
  Stage stage({.kind = PolicyKind::random, .selection = {.budget = Budget::fixed, .chunks = 2}},
              kGist, 100, 102);
  add_context(stage, 20, -1, {}, {});
  std::vector<int> drawn(20, 0);
  constexpr int kQueries = 2000;
  for (int i = 0; i < kQueries; ++i) {
    stage.add();
    stage.ask({1, 0, 0, 0});
    ASSERT_EQ(stage.trace.picks.at(0).size(), 2u);
    for (const std::int32_t j : stage.trace.picks[0]) ++drawn[static_cast<std::size_t>(j)];
  }
  for (const int count : drawn) EXPECT_NEAR(count, kQueries / 10, 60);  // 4.5 sigma
}

// Section 5 for layers before the first, tokens of the context, gists, and rows without chunks.
TEST(Selecting, OnlyRawTokensBehindTheContextSelect) {
  const PolicyConfig config = {.kind = PolicyKind::gsa};
  Stage stage(config, kGist, 100, 103);
  add_context(stage, 20, -1, {}, {});
  stage.ask();
  EXPECT_TRUE(stage.trace.picks.empty()) << "the last gist";
  stage.add();
  stage.ask();
  EXPECT_FALSE(stage.trace.picks.empty());
  Stage first(config, kGist, 100, 103, kShape, 0);
  add_context(first, 20, -1, {}, {});
  first.add();
  EXPECT_EQ(first.ask().size(), 20u + 2 + 4 + 1) << "gists, sinks, previous chunk, itself";
  EXPECT_TRUE(first.trace.picks.empty());
  Stage plain(config, kGist, 0, 3);
  plain.add_raw(3);
  EXPECT_EQ(plain.ask(), range(0, 3));
}

// The descent scores the children of picked parents only.
TEST(Selecting, TheDescentReadsFewGists) {
  const GistConfig gist = {.chunks = {4, 4}, .sinks = 2, .previous_chunks = 1};
  const auto run = [&](PolicyKind kind) {
    Stage stage({.kind = kind, .selection = {.budget = Budget::fixed, .chunks = 2}}, gist, 360,
                363);
    for (int chunk = 0; chunk < 64; ++chunk) {
      stage.add_raw(4);
      stage.add(0);
      if (chunk % 4 == 3) stage.add(1);
    }
    stage.add_raw(40);
    stage.ask();
    return stage.trace;
  };
  const SelectionTrace descent = run(PolicyKind::h_gsa);
  EXPECT_EQ(descent.scored, 16 + 2 * 4);
  ASSERT_EQ(descent.picks.size(), 2u);
  EXPECT_EQ(descent.picks[1].size(), 2u);
  for (const std::int32_t j : descent.picks[0]) {
    EXPECT_TRUE(std::count(descent.picks[1].begin(), descent.picks[1].end(), j / 4) == 1);
  }
  const SelectionTrace flat = run(PolicyKind::gsa);
  EXPECT_EQ(flat.scored, 64);
  EXPECT_TRUE(flat.picks[1].empty());
}

}  // namespace
}  // namespace unfold::gsa
