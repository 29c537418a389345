#include "gsa/links.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "core/random.h"
#include "gsa/insertion.h"
#include "gsa/policies/section5.h"

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
  const LinkedLayout layout = make_linked_layout(2, documents({"abcgdeg", "hijg"}), 1, 2, gist);
  ASSERT_EQ(layout.size(), 2 + 7 + 1 + 4 + 1 + 2);
  EXPECT_EQ(layout.rope,
            (std::vector<std::int32_t>{0, 1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12, 13}));
  const auto seen = [&](std::int64_t q) {
    std::string row;
    for (std::int64_t k = 0; k < layout.size(); ++k) {
      row += linked_visible(layout, gist, q, k) ? 'x' : '.';
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
    const LinkedLayout layout =
        make_linked_layout(random.below(4), rows, links, 1 + random.below(5), gist);
    SequenceTokens tokens(gist.levels());
    for (std::int64_t t = 0; t < layout.size(); ++t) {
      const auto at = static_cast<std::size_t>(t);
      TokenRole role = TokenRole::plain;
      if (layout.part[at] == LinkedLayout::Part::link) role = TokenRole::link;
      if (layout.part[at] == LinkedLayout::Part::system ||
          (layout.sink[at] != 0 && layout.level[at] < 0)) {
        role = TokenRole::anchor;
      }
      tokens.append(layout.level[at], role);
      EXPECT_EQ(tokens.rope(t), layout.rope[at]);
    }
    for (std::int64_t q = 0; q < layout.size(); ++q) {
      if (layout.part[static_cast<std::size_t>(q)] == LinkedLayout::Part::document) continue;
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
        ASSERT_EQ(seen, linked_visible(layout, gist, q, k))
            << "round " << round << " query " << q << " key " << k;
        ++pairs;
      }
    }
  }
  EXPECT_GT(pairs, 5000);
}

TEST(Links, RejectsMisuse) {
  const GistConfig gist = {.chunks = {2}};
  EXPECT_THROW(make_linked_layout(1, documents({""}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"ga"}), 1, 1, gist), core::InternalError);
  EXPECT_THROW(make_linked_layout(1, documents({"agG"}), 1, 1, gist), core::InternalError);
  const LinkedLayout layout = make_linked_layout(1, {}, 1, 1, gist);
  EXPECT_EQ(layout.size(), 2);
  EXPECT_THROW(linked_visible(layout, gist, 2, 0), core::InternalError);
  EXPECT_THROW(linked_visible(layout, gist, 0, -1), core::InternalError);
  SequenceTokens tokens(1);
  tokens.append(-1);
  EXPECT_THROW(tokens.append(0, TokenRole::anchor), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
