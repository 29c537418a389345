#include "gsa/links.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "core/random.h"
#include "gsa/insertion.h"
#include "gsa/policies/section5.h"
#include "gsa/reach.h"
#include "gsa/visibility.h"
#include "tests/gsa/linked_rule.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

std::vector<std::int8_t> levels_of(const std::string& pattern) {
  std::vector<std::int8_t> levels;
  for (const char c : pattern) levels.push_back(c == 'g' ? 0 : c == 'G' ? 1 : -1);
  return levels;
}

std::vector<std::vector<std::int8_t>> documents(const std::vector<std::string>& patterns) {
  std::vector<std::vector<std::int8_t>> all;
  for (const std::string& pattern : patterns) all.push_back(levels_of(pattern));
  return all;
}

TEST(Links, TheLayoutByHand) {
  const GistConfig gist = {.chunks = {2}, .sinks = 1, .previous_chunks = 1, .links = 1};
  const Layout layout = make_linked_layout(2, documents({"abcgdeg", "hijg"}), 1, 2, gist);
  const VisibilityCounts counts = count_row(layout, 0, gist);
  const LinkedRule rule(layout, 0, document_spans(layout, 0)[0], gist);
  ASSERT_EQ(layout.size(), 2 + 7 + 1 + 4 + 1 + 2);
  EXPECT_EQ(layout.rope,
            (std::vector<std::int32_t>{0, 1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12, 13}));
  const auto seen = [&](std::int64_t q) {
    std::string row;
    for (std::int64_t k = 0; k < layout.size(); ++k) {
      row += visible(counts, q, k, gist, Visibility::gist) ? 'x' : '.';
      EXPECT_EQ(rule.sees(q, k), row.back() == 'x');
    }
    return row;
  };
  //                    ssabcgdeglhijgl??
  EXPECT_EQ(seen(1), "xx...............") << "system";
  EXPECT_EQ(seen(7), "..xxxxxx.........") << "a document sees itself";
  EXPECT_EQ(seen(9), "xxx..x..xx.......") << "first link: system, sink, gists, itself";
  EXPECT_EQ(seen(11), "..........xx.....") << "the second document";
  EXPECT_EQ(seen(14), "xxx..x..xxx..xx..") << "second link";
  // The previous chunk is that of the last document; the links stand before it.
  EXPECT_EQ(seen(16), "xxx..x..xxxxxxxxx") << "suffix";
}

// What a gist stands for, told by the sequence and by its marks: raw tokens of its document between
// it and the gist of its level before.
void check_covered(const Layout& layout, const GistConfig& gist, const SequenceTokens& tokens) {
  for (int level = 0; level < gist.levels(); ++level) {
    for (std::int32_t j = 0; j < std::ssize(tokens.gists(level).gist); ++j) {
      const std::int32_t end = tokens.gists(level).gist[static_cast<std::size_t>(j)];
      std::int32_t begin = end;
      while (begin > 0 && layout.part[static_cast<std::size_t>(begin) - 1] == Part::document &&
             layout.level[static_cast<std::size_t>(begin) - 1] < level) {
        --begin;
      }
      const SequenceTokens::RawSpan covered = tokens.covered_raw(level, j);
      EXPECT_EQ(covered.begin, tokens.before(0, begin));
      EXPECT_EQ(covered.end, tokens.before(0, end));
    }
  }
}

// What the engine shows a query of the system, a link or the suffix is the rule.
TEST(Links, TheSequenceViewEqualsTheRule) {
  core::Random random(5);
  std::int64_t pairs = 0;
  for (int round = 0; round < 60; ++round) {
    GistConfig gist;
    gist.chunks.assign(1 + random.below(3), 2);
    gist.chunks[0] = 1 + random.below(3);
    gist.sinks = random.below(4);
    gist.previous_chunks = random.below(3);
    gist.rule = InsertionRule::count;
    std::vector<std::vector<std::int8_t>> rows(1 + random.below(3));
    for (auto& document : rows) {
      for (const Element& element : insert_gists(1 + random.below(14), {}, gist)) {
        document.push_back(element.level);
      }
    }
    const std::int64_t links = 1 + random.below(3);
    const Layout layout =
        make_linked_layout(random.below(4), rows, links, 1 + random.below(5), gist);
    const std::vector<PartRun> runs = part_runs(layout.part);
    const LinkedRule rule(layout, 0, document_spans(layout, 0)[0], gist);
    SequenceTokens tokens(gist.levels());
    for (std::int64_t t = 0; t < layout.size(); ++t) {
      const auto at = static_cast<std::size_t>(t);
      TokenRole role = TokenRole::plain;
      for (const PartRun& run : runs) {
        if (t < run.begin || t >= run.end) continue;
        const auto position = static_cast<std::int32_t>(t);
        if (is_anchor(run, position, layout.level[at], gist.sinks)) role = TokenRole::anchor;
        if (run.part == Part::link) role = TokenRole::link;
      }
      const bool first = t == 0 || layout.part[at - 1] != Part::document;
      if (first && layout.part[at] == Part::document) tokens.begin_document();
      tokens.append(layout.level[at], role);
      EXPECT_EQ(tokens.rope(t), layout.rope[at]);
    }
    check_covered(layout, gist, tokens);
    for (std::int64_t q = 0; q < layout.size(); ++q) {
      if (layout.part[static_cast<std::size_t>(q)] == Part::document) continue;
      std::vector<CacheSpan> spans;
      append_section5(tokens, gist, q, spans);
      normalise(spans);
      for (std::int64_t k = 0; k < layout.size(); ++k) {
        const int section = section_of(tokens.level(k));
        const std::int32_t index = tokens.before(section, k);
        bool seen = false;
        for (const CacheSpan& span : spans) {
          seen = seen || (span.section == section && index >= span.begin && index < span.end);
        }
        ASSERT_EQ(seen, rule.sees(q, k)) << "round " << round << " query " << q << " key " << k;
        ++pairs;
      }
    }
  }
  EXPECT_GT(pairs, 5000);
}

// The rule of the product, pair by pair and as reach, over rows of many prompts.
TEST(Links, VisibilityAndReachEqualTheRule) {
  std::int64_t pairs = 0;
  for (const int levels : {1, 2, 3, kMaxLinkedLevels}) {
    const RandomLayoutOptions options{
        .rows = 2, .length = 80, .levels = levels, .max_chunks = 4, .links = true};
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const Layout layout = random_layout(seed, options);
      const GistConfig gist = random_gist_config(seed, options);
      const Reach reach = compute_reach(layout, gist, Visibility::gist);
      for (std::int64_t row = 0; row < layout.rows; ++row) {
        const VisibilityCounts counts = count_row(layout, row, gist);
        for (const DocumentSpan& document : document_spans(layout, row)) {
          if (!document.linked) continue;
          const LinkedRule rule(layout, row, document, gist);
          for (std::int32_t q = document.begin; q < document.end; ++q) {
            const auto at = static_cast<std::size_t>(row * layout.length + q);
            for (std::int32_t k = 0; k < layout.length; ++k) {
              const bool inside = k >= document.begin && k < document.end;
              const bool expected = inside && rule.sees(q - document.begin, k - document.begin);
              ASSERT_EQ(visible(counts, q, k, gist, Visibility::gist), expected)
                  << "seed " << seed << " row " << row << " query " << q << " key " << k;
              const bool reached = k <= q && q < reach.at(row, reach.query_class[at], k);
              ASSERT_EQ(reached, expected)
                  << "seed " << seed << " row " << row << " query " << q << " key " << k;
              pairs += expected ? 1 : 0;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(pairs, 100000);
}

// Causal and full attention know no links.
TEST(Links, OtherVisibilitiesTakeThemForRawTokens) {
  const RandomLayoutOptions options{
      .rows = 2, .length = 120, .levels = 2, .max_chunks = 3, .padding = false, .links = true};
  const Layout layout = random_layout(3, options);
  ASSERT_FALSE(layout.part.empty());
  Layout plain = layout;
  plain.part.clear();
  for (const Visibility mode : {Visibility::full, Visibility::causal}) {
    const Reach reach = compute_reach(layout, {.chunks = {2, 2}}, mode);
    const Reach expected = compute_reach(plain, {.chunks = {2, 2}}, mode);
    EXPECT_EQ(reach.end, expected.end);
    EXPECT_EQ(reach.query_class, expected.query_class);
  }
}

TEST(Links, RejectsMisuse) {
  const GistConfig gist = {.chunks = {2}};
  EXPECT_THROW(make_linked_layout(1, documents({""}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"ga"}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"agG"}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"aga"}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"ag"}), 0, 1, gist), core::InternalError);
  EXPECT_EQ(make_linked_layout(1, {}, 1, 1, gist).size(), 2);
  const auto parts = [&](const std::vector<Part>& part, const std::string& pattern) {
    return make_layout(1, std::ssize(part), 1, levels_of(pattern),
                       std::vector<std::int32_t>(part.size(), 0), part);
  };
  constexpr Part kSystem = Part::system, kDocument = Part::document, kLink = Part::link,
                 kSuffix = Part::suffix, kNone = Part::none;
  EXPECT_NO_THROW(parts({kSystem, kDocument, kDocument, kLink, kSuffix}, "aagaa"));
  EXPECT_TRUE(parts({kNone, kNone}, "ag").part.empty());
  EXPECT_THROW(parts({kLink, kSuffix}, "aa"), core::InternalError);
  EXPECT_THROW(parts({kDocument, kDocument, kSuffix}, "aga"), core::InternalError);
  EXPECT_THROW(parts({kDocument, kDocument}, "ag"), core::InternalError);
  EXPECT_THROW(parts({kSuffix, kSystem}, "aa"), core::InternalError);
  EXPECT_THROW(parts({kDocument, kDocument, kLink, kNone}, "agaa"), core::InternalError);
  EXPECT_THROW(parts({kDocument, kDocument, kLink, kSuffix}, "agag"), core::InternalError);
  EXPECT_THROW(parts({kSuffix}, "aa"), core::InternalError) << "fewer parts than tokens";
  EXPECT_THROW(make_layout(1, 1, 0, levels_of("a"), std::vector<std::int32_t>{0},
                           std::vector<Part>{kSuffix}),
               core::InternalError)
      << "no levels";
  SequenceTokens tokens(1);
  tokens.append(-1);
  EXPECT_THROW(tokens.append(0, TokenRole::anchor), core::InternalError);
}

TEST(Links, TooManyLevels) {
  const RandomLayoutOptions options{
      .rows = 1, .length = 60, .levels = kMaxLinkedLevels + 1, .padding = false, .links = true};
  GistConfig gist = random_gist_config(1, options);
  const Layout layout = random_layout(1, options);
  ASSERT_FALSE(layout.part.empty());
  EXPECT_THROW(compute_reach(layout, gist, Visibility::gist), core::InternalError);
  gist.links = 1;
  EXPECT_THROW(validate(gist), core::UserError);
  gist.chunks.pop_back();
  EXPECT_NO_THROW(validate(gist));
}

}  // namespace
}  // namespace unfold::gsa
