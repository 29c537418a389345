#include "gsa/insertion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "core/error.h"

namespace unfold::gsa {
namespace {

// "x" a raw token, "g", "G", "GG", ... a gist of level 0, 1, 2, ...
std::string spell(const std::vector<Element>& elements) {
  std::string text;
  for (const Element& element : elements) {
    if (!text.empty()) text += ' ';
    if (element.level < 0) {
      text += 'x';
    } else if (element.level == 0) {
      text += 'g';
    } else {
      text.append(static_cast<std::size_t>(element.level), 'G');
    }
  }
  return text;
}

GistConfig by_count(std::vector<std::int64_t> chunks, std::int64_t sinks = 0) {
  return {.chunks = std::move(chunks), .sinks = sinks, .rule = InsertionRule::count};
}

GistConfig by_word(std::vector<std::int64_t> chunks, std::int64_t sinks = 0) {
  return {.chunks = std::move(chunks), .sinks = sinks, .rule = InsertionRule::word};
}

// The rules of METHOD.md section 3 read literally, one pass a level.
std::vector<int> read_literally(std::int64_t n, const std::vector<std::uint8_t>& starts,
                                const GistConfig& config) {
  std::vector<int> levels;
  const std::int64_t c = config.chunks[0];
  std::int64_t since = -config.sinks;  // raw tokens since counting restarted
  std::int64_t i = 0;
  while (i < n) {
    levels.push_back(-1);
    ++i;
    ++since;
    if (since < c || i >= n) continue;
    std::int64_t shift = 0;
    if (config.rule == InsertionRule::word) {
      const auto is_start = [&](std::int64_t t) {
        return t == n || starts[static_cast<std::size_t>(t)] != 0;
      };
      while (shift <= c / 2 && !is_start(i + shift)) ++shift;
      if (shift > c / 2) shift = 0;
    }
    for (; shift > 0; --shift, ++i) levels.push_back(-1);
    if (i < n) levels.push_back(0);
    since = 0;
  }
  if (n > 0) levels.push_back(0);
  for (int l = 1; n > 0 && l < config.levels(); ++l) {
    std::vector<int> next;
    std::int64_t seen = 0;
    for (std::size_t t = 0; t < levels.size(); ++t) {
      next.push_back(levels[t]);
      if (levels[t] != l - 1) continue;
      if (++seen % config.chunks[static_cast<std::size_t>(l)] != 0) continue;
      if (t + 1 < levels.size()) next.push_back(l);
    }
    next.push_back(l);
    levels = next;
  }
  return levels;
}

struct Segment {
  std::int64_t n;
  std::vector<std::uint8_t> starts;
  GistConfig config;
};

Segment random_segment(std::mt19937_64& random) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  Segment segment;
  segment.n = pick(0, 40);
  const std::int64_t density = pick(0, 4);
  for (std::int64_t i = 0; i < segment.n; ++i) {
    segment.starts.push_back(pick(0, 3) < density ? 1 : 0);
  }
  segment.config.chunks = {pick(1, 6)};
  for (std::int64_t l = pick(0, 3); l > 0; --l) segment.config.chunks.push_back(pick(1, 4));
  segment.config.sinks = pick(0, 5);
  segment.config.rule = pick(0, 1) == 0 ? InsertionRule::word : InsertionRule::count;
  return segment;
}

TEST(Insertion, CountRuleStartsBehindTheSinks) {
  EXPECT_EQ(spell(insert_gists(7, {}, by_count({3}))), "x x x g x x x g x g");
  EXPECT_EQ(spell(insert_gists(8, {}, by_count({3}, 2))), "x x x x x g x x x g");
  EXPECT_EQ(spell(insert_gists(3, {}, by_count({1}))), "x g x g x g");
}

TEST(Insertion, BoundaryAtTheEndIsTheClosingGist) {
  EXPECT_EQ(spell(insert_gists(6, {}, by_count({3}))), "x x x g x x x g");
  EXPECT_EQ(spell(insert_gists(3, {}, by_count({3}))), "x x x g");
  EXPECT_EQ(spell(insert_gists(3, {}, by_count({3, 1, 2}))), "x x x g G GG");
}

TEST(Insertion, ShortSegmentsGetTheClosingGistOnly) {
  EXPECT_EQ(spell(insert_gists(0, {}, by_count({3}, 2))), "");
  EXPECT_EQ(spell(insert_gists(2, {}, by_count({1}, 2))), "x x g");
  EXPECT_EQ(spell(insert_gists(1, {}, by_count({1}, 9))), "x g");
  EXPECT_EQ(spell(insert_gists(3, {}, by_count({1}, 2))), "x x x g");
}

TEST(Insertion, HierarchyExamples) {
  EXPECT_EQ(spell(insert_gists(5, {}, by_count({1, 2, 2}))), "x g x g G x g x g G GG x g G GG");
  EXPECT_EQ(spell(insert_gists(4, {}, by_count({1, 2, 2}))), "x g x g G x g x g G GG");
  EXPECT_EQ(spell(insert_gists(3, {}, by_count({1, 1}))), "x g G x g G x g G");
}

TEST(Insertion, WordRuleLooksAheadHalfAChunk) {
  // A word starts two tokens late: found. Three tokens late: the word is split.
  EXPECT_EQ(
      spell(insert_gists(9, std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0, 1, 1, 1}, by_word({4}))),
      "x x x x x x g x x x g");
  EXPECT_EQ(
      spell(insert_gists(9, std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0, 0, 1, 1}, by_word({4}))),
      "x x x x g x x x x g x g");
}

TEST(Insertion, WordRuleTakesTheEndForAWordStart) {
  // One token too many, but it continues the word: the last chunk takes it.
  EXPECT_EQ(spell(insert_gists(5, std::vector<std::uint8_t>{1, 0, 0, 0, 0}, by_word({4}))),
            "x x x x x g");
  EXPECT_EQ(spell(insert_gists(6, std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0}, by_word({4}))),
            "x x x x x x g");
  EXPECT_EQ(spell(insert_gists(7, std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0, 0}, by_word({4}))),
            "x x x x g x x x g");
}

TEST(Insertion, WordRuleWithChunkOneNeverLooksAhead) {
  EXPECT_EQ(spell(insert_gists(3, std::vector<std::uint8_t>{1, 0, 0}, by_word({1}))),
            "x g x g x g");
}

TEST(Insertion, EqualsTheRulesReadLiterally) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 4000; ++round) {
    const Segment segment = random_segment(random);
    const std::vector<Element> elements = insert_gists(segment.n, segment.starts, segment.config);
    std::vector<int> levels;
    std::int32_t raw = 0;
    for (const Element& element : elements) {
      levels.push_back(element.level);
      ASSERT_EQ(element.raw, element.level < 0 ? raw++ : -1);
    }
    ASSERT_EQ(raw, segment.n);
    ASSERT_EQ(levels, read_literally(segment.n, segment.starts, segment.config)) << round;
    for (std::size_t t = 1; t < levels.size(); ++t) {
      ASSERT_FALSE(levels[t] >= 0 && levels[t] == levels[t - 1]) << "adjacent gists of one level";
    }
  }
}

TEST(LongestPrefix, IsTheLongestThatFits) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 1500; ++round) {
    const Segment segment = random_segment(random);
    std::vector<std::int64_t> sizes;  // of every prefix
    for (std::int64_t p = 0; p <= segment.n; ++p) {
      const auto starts = std::span(segment.starts).first(static_cast<std::size_t>(p));
      sizes.push_back(static_cast<std::int64_t>(insert_gists(p, starts, segment.config).size()));
    }
    for (std::int64_t room = 0; room <= sizes.back() + 3; ++room) {
      std::int64_t expected = 0;
      for (std::int64_t p = 0; p <= segment.n; ++p) {
        if (sizes[static_cast<std::size_t>(p)] <= room) expected = p;
      }
      ASSERT_EQ(longest_prefix(segment.n, segment.starts, segment.config, room), expected)
          << "round " << round << " room " << room;
    }
  }
}

TEST(LongestPrefix, HandlesNoGistsAndNoRoom) {
  EXPECT_EQ(longest_prefix(10, {}, by_count({}), 4), 4);
  EXPECT_EQ(longest_prefix(10, {}, by_count({}), 40), 10);
  EXPECT_EQ(longest_prefix(10, {}, by_count({}), -1), 0);
  EXPECT_EQ(longest_prefix(10, {}, by_count({4}), -5), 0);
  EXPECT_EQ(longest_prefix(10, {}, by_count({4}), 1), 0);
  EXPECT_EQ(longest_prefix(10, {}, by_count({4}), 2), 1);
}

TEST(Insertion, NoLevelsLeavesTheTextAlone) {
  EXPECT_EQ(spell(insert_gists(3, {}, by_word({}))), "x x x");
}

TEST(Insertion, HugeNumbersDoNotOverflow) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(spell(insert_gists(2, {}, by_count({2147483647}, kHuge))), "x x g");
  EXPECT_EQ(longest_prefix(5, {}, by_count({2}, kHuge), kHuge), 5);
}

TEST(Insertion, RejectsBadConfigs) {
  EXPECT_THROW(insert_gists(3, {}, by_count({0})), core::UserError);
  EXPECT_THROW(insert_gists(3, {}, by_count({4, -1})), core::UserError);
  EXPECT_THROW(insert_gists(3, {}, by_count({65536, 65536})), core::UserError);
  EXPECT_THROW(insert_gists(3, {}, by_count({4}, -1)), core::UserError);
  EXPECT_THROW(insert_gists(3, {}, by_count({1, 1, 1, 1, 1, 1, 1, 1, 1})), core::UserError);
  GistConfig negative = by_count({4});
  negative.previous_chunks = -1;
  EXPECT_THROW(validate(negative), core::UserError);
  EXPECT_NO_THROW(validate(by_count({})));
}

TEST(Insertion, RejectsBadCalls) {
  EXPECT_THROW(insert_gists(-1, {}, by_count({4})), core::InternalError);
  EXPECT_THROW(insert_gists(3, std::vector<std::uint8_t>{1}, by_word({4})), core::InternalError);
}

TEST(StartsWord, FollowsTheListOfOpeners) {
  for (const char* yes : {"",  " the", "\tx", "\n", "\r\n", ".",  ",",
                          ";", ":",    "!",   "?",  "-",    "(",  ")",
                          "[", "]",    "{",   "}",  "\"",   "'s", "\xe2\x80\x94 so"}) {
    EXPECT_TRUE(starts_word(yes)) << yes;
  }
  // "\xe2\x80\x93" is the en dash, "\xe2\x80" an incomplete sequence.
  for (const char* no : {"the", "1", "_", "/", "\xc3\xa9", "\xe2\x80\x93", "\xe2\x80", "x "}) {
    EXPECT_FALSE(starts_word(no)) << no;
  }
}

}  // namespace
}  // namespace unfold::gsa
