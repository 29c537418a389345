#include "gsa/inspect.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <sstream>

#include "core/error.h"

namespace unfold::gsa {
namespace {

constexpr std::string_view kSingle = "s a b c g1 d e f g2 h i j g3 x y";
constexpr std::string_view kHierarchy = "s a b g1 c d g2 G1 e f g3 h i g4 G2 j k g5 G3 x y";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The row of every query by name, without the header rows.
std::map<std::string, std::string> text_rows(std::string_view pattern, std::int64_t previous,
                                             std::int64_t sinks) {
  const auto lines =
      lines_of(inspect_visibility(pattern, previous, sinks, std::nullopt, InspectFormat::text));
  std::map<std::string, std::string> rows;
  for (std::size_t i = 2; i < lines.size(); ++i) {
    std::istringstream stream(lines[i]);
    std::string name;
    stream >> name;
    rows[name] = lines[i];
  }
  return rows;
}

std::string read_matrix(std::string_view pattern, int previous, int sinks, int levels) {
  // Section 5 read rule by rule, counting anew for every pair. Returns the CSV expected.
  std::vector<std::string> names;
  std::vector<int> level;
  std::istringstream words{std::string(pattern)};
  for (std::string word; words >> word;) {
    names.push_back(word);
    level.push_back(word[0] == 'g' ? 0 : word[0] == 'G' ? 1 : word[0] == 'H' ? 2 : -1);
  }
  const int n = static_cast<int>(names.size());
  const auto lvl = [&](int t) { return level[static_cast<std::size_t>(t)]; };
  const auto count = [&](int end, auto&& counts) {  // positions < end that count
    int total = 0;
    for (int t = 0; t < end; ++t) total += counts(lvl(t)) ? 1 : 0;
    return total;
  };
  const auto c = [&](int l, int t) { return count(t, [&](int x) { return x == l; }); };
  const auto h = [&](int l, int t) { return count(t + 1, [&](int x) { return x > l; }); };
  const bool has_gist = count(n, [](int x) { return x >= 0; }) > 0;
  const int top = levels - 1;

  std::string csv = "query,rope";
  for (const std::string& name : names) csv += "," + name;
  csv += "\n";
  for (int q = 0; q < n; ++q) {
    csv += names[static_cast<std::size_t>(q)] + "," + std::to_string(q - h(-1, q));
    for (int k = 0; k < n; ++k) {
      bool sees = !has_gist || k < sinks;
      if (levels == 1) {
        const int apart = c(0, q) - c(0, k);
        sees = sees || apart == 0 || (0 < apart && apart <= previous) || lvl(k) == 0;
      } else {
        sees = sees || lvl(k) == top;
        sees = sees || (0 <= lvl(k) && lvl(k) < top && h(lvl(k), k) == h(lvl(k), q));
        sees = sees || (lvl(q) <= 0 && c(0, q) >= c(0, k) && c(0, q) - c(0, k) <= previous);
        sees = sees || (lvl(q) >= 1 && lvl(k) == lvl(q) - 1 && c(lvl(q), k) == c(lvl(q), q));
        for (int l = 1; l <= top; ++l) {
          const int apart = c(l, q) - c(l, k);
          sees = sees ||
                 (previous > 0 && lvl(k) == l - 1 && lvl(q) <= l && 0 < apart && apart <= previous);
        }
      }
      csv += sees && k <= q ? ",1" : ",0";
    }
    csv += "\n";
  }
  return csv;
}

TEST(InspectVisibility, SingleLevelExampleOfTheMethod) {
  const std::string text = inspect_visibility(kSingle, 1, 1, std::nullopt, InspectFormat::text);
  const auto lines = lines_of(text);
  ASSERT_EQ(lines.size(), 17u);
  EXPECT_EQ(lines[0], "rope   0  1  2  3  3  4  5  6  6  7  8  9  9 10 11");
  EXPECT_EQ(lines[1], "       s  a  b  c g1  d  e  f g2  h  i  j g3  x  y");
  EXPECT_EQ(text.back(), '\n');
  auto rows = text_rows(kSingle, 1, 1);
  EXPECT_EQ(rows["d"], "   d   x  x  x  x  x  x");
  EXPECT_EQ(rows["g2"], "  g2   x  x  x  x  x  x  x  x  x");
  EXPECT_EQ(rows["h"], "   h   x  .  .  .  x  x  x  x  x  x");
  EXPECT_EQ(rows["g3"], "  g3   x  .  .  .  x  x  x  x  x  x  x  x  x");
  EXPECT_EQ(rows["x"], "   x   x  .  .  .  x  .  .  .  x  x  x  x  x  x");
  EXPECT_EQ(rows["y"], "   y   x  .  .  .  x  .  .  .  x  x  x  x  x  x  x");
}

TEST(InspectVisibility, HierarchicalExampleOfTheMethod) {
  const auto lines =
      lines_of(inspect_visibility(kHierarchy, 1, 1, std::nullopt, InspectFormat::text));
  EXPECT_EQ(lines[1], "       s  a  b g1  c  d g2 G1  e  f g3  h  i g4 G2  j  k g5 G3  x  y");
  auto rows = text_rows(kHierarchy, 1, 1);
  EXPECT_EQ(rows["d"], "   d   x  x  x  x  x  x");
  EXPECT_EQ(rows["g2"], "  g2   x  x  x  x  x  x  x");
  EXPECT_EQ(rows["G1"], "  G1   x  .  .  x  .  .  x  x");
  EXPECT_EQ(rows["e"], "   e   x  .  .  x  x  x  x  x  x");
  EXPECT_EQ(rows["h"], "   h   x  .  .  x  .  .  x  x  x  x  x  x");
  EXPECT_EQ(rows["G2"], "  G2   x  .  .  x  .  .  x  x  .  .  x  .  .  x  x");
  EXPECT_EQ(rows["j"], "   j   x  .  .  .  .  .  .  x  .  .  x  x  x  x  x  x");
  EXPECT_EQ(rows["G3"], "  G3   x  .  .  .  .  .  .  x  .  .  x  .  .  x  x  .  .  x  x");
  EXPECT_EQ(rows["y"], "   y   x  .  .  .  .  .  .  x  .  .  .  .  .  .  x  x  x  x  x  x  x");
}

TEST(InspectVisibility, CompleteMatricesOfTheMethod) {
  EXPECT_EQ(inspect_visibility(kSingle, 1, 1, std::nullopt, InspectFormat::csv),
            read_matrix(kSingle, 1, 1, 1));
  EXPECT_EQ(inspect_visibility(kHierarchy, 1, 1, std::nullopt, InspectFormat::csv),
            read_matrix(kHierarchy, 1, 1, 2));
}

TEST(InspectVisibility, AnyPatternFollowsTheRules) {
  std::mt19937_64 random(7);
  constexpr const char* kWords[] = {"x", "y", "z", "x2", "g", "g1", "G", "H"};
  for (int round = 0; round < 150; ++round) {
    const int length = std::uniform_int_distribution<int>(1, 16)(random);
    const int kinds = std::uniform_int_distribution<int>(3, 7)(random);
    std::string pattern;
    int highest = -1;
    for (int t = 0; t < length; ++t) {
      const int kind = std::uniform_int_distribution<int>(0, kinds)(random);
      pattern += std::string(" ") + kWords[kind];
      highest = std::max(highest, kind < 4 ? -1 : kind < 6 ? 0 : kind - 5);
    }
    const int levels = highest + 1 + std::uniform_int_distribution<int>(0, 1)(random);
    const int previous = std::uniform_int_distribution<int>(0, 3)(random);
    const int sinks = std::uniform_int_distribution<int>(0, 4)(random);
    EXPECT_EQ(inspect_visibility(pattern, previous, sinks, levels, InspectFormat::csv),
              read_matrix(pattern, previous, sinks, levels))
        << pattern << " P " << previous << " S " << sinks << " L " << levels;
  }
}

TEST(InspectVisibility, CsvFormat) {
  EXPECT_EQ(inspect_visibility("a g b", 0, 0, std::nullopt, InspectFormat::csv),
            "query,rope,a,g,b\n"
            "a,0,1,0,0\n"
            "g,0,1,1,0\n"
            "b,1,0,1,1\n");
  EXPECT_EQ(inspect_visibility("a,b \"", 0, 0, std::nullopt, InspectFormat::csv),
            "query,rope,\"a,b\",\"\"\"\"\n"
            "\"a,b\",0,1,0\n"
            "\"\"\"\",1,1,1\n");
}

TEST(InspectVisibility, PatternWithoutGistsIsCausal) {
  EXPECT_EQ(inspect_visibility(" a\tbb\n c ", 0, 0, std::nullopt, InspectFormat::text),
            "rope   0  1  2\n"
            "       a bb  c\n"
            "   a   x\n"
            "  bb   x  x\n"
            "   c   x  x  x\n");
  EXPECT_EQ(inspect_visibility("a b", 0, 0, 2, InspectFormat::csv),
            inspect_visibility("a b", 0, 0, 0, InspectFormat::csv));
}

TEST(InspectVisibility, WideNamesWidenTheirColumns) {
  // The second name is three characters of two bytes each.
  EXPECT_EQ(
      inspect_visibility("sinks \xc3\xa9\xc3\xa9\xc3\xa9", 0, 0, std::nullopt, InspectFormat::text),
      " rope      0     1\n"
      "       sinks   \xc3\xa9\xc3\xa9\xc3\xa9\n"
      "sinks      x\n"
      "  \xc3\xa9\xc3\xa9\xc3\xa9      x     x\n");
}

TEST(InspectVisibility, RejectsBadInput) {
  const auto inspect = [](const std::string& pattern, std::int64_t previous, std::int64_t sinks,
                          std::optional<int> levels) {
    return inspect_visibility(pattern, previous, sinks, levels, InspectFormat::csv);
  };
  EXPECT_THROW(inspect("", 1, 1, std::nullopt), core::UserError);
  EXPECT_THROW(inspect(" \t\n", 1, 1, std::nullopt), core::UserError);
  EXPECT_THROW(inspect("a g", -1, 1, std::nullopt), core::UserError);
  EXPECT_THROW(inspect("a g", 1, -1, std::nullopt), core::UserError);
  EXPECT_THROW(inspect("a g", 1, 1, -1), core::UserError);
  EXPECT_THROW(inspect("a g", 1, 1, 9), core::UserError);
  EXPECT_THROW(inspect("a g", 1, 1, 0), core::UserError);
  std::string endless;
  for (int i = 0; i <= kMaxPatternWords; ++i) endless += "x ";
  EXPECT_THROW(inspect(endless, 1, 1, std::nullopt), core::UserError);
  try {
    inspect("a g H1", 1, 1, 2);
    FAIL() << "a level-2 gist in a model of 2 levels";
  } catch (const core::UserError& error) {
    EXPECT_STREQ(error.what(),
                 "[inspect] word 3 of the pattern, \"H1\", is a gist of level 2, but levels is 2: "
                 "give at least 3");
  }
}

TEST(InspectInsertion, ExamplesOfTheMethod) {
  const auto tokens = split_tokens("The| cat|s| un|believ|ably| ran|,| then| sl|ept|.");
  ASSERT_EQ(tokens.size(), 12u);
  EXPECT_EQ(inspect_insertion(tokens, {.chunks = {4}, .sinks = 0}),
            "The| cat|s| un|believ|ably|<g>| ran|,| then| sl|ept|<g>|.|<g>");
  EXPECT_EQ(inspect_insertion(tokens, {.chunks = {3}, .sinks = 2}),
            "The| cat|s| un|believ|ably|<g>| ran|,| then|<g>| sl|ept|.|<g>");
  EXPECT_EQ(inspect_insertion(tokens, {.chunks = {4}, .sinks = 0, .rule = InsertionRule::count}),
            "The| cat|s| un|<g>|believ|ably| ran|,|<g>| then| sl|ept|.|<g>");
}

TEST(InspectInsertion, HierarchyExamplesOfTheMethod) {
  const GistConfig config{.chunks = {1, 2, 2}, .sinks = 0, .rule = InsertionRule::count};
  EXPECT_EQ(inspect_insertion(split_tokens("x|x|x|x|x"), config),
            "x|<g>|x|<g>|<G>|x|<g>|x|<g>|<G>|<GG>|x|<g>|<G>|<GG>");
  EXPECT_EQ(inspect_insertion(split_tokens("x|x|x|x"), config),
            "x|<g>|x|<g>|<G>|x|<g>|x|<g>|<G>|<GG>");
  EXPECT_EQ(inspect_insertion(split_tokens("x"), {.chunks = {1, 1, 1, 1}}), "x|<g>|<G>|<GG>|<GGG>");
}

TEST(InspectInsertion, SplitsAtEveryBar) {
  EXPECT_EQ(split_tokens("a||b|"), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split_tokens("|"), (std::vector<std::string>{"", ""}));
  EXPECT_EQ(split_tokens("one"), (std::vector<std::string>{"one"}));
}

TEST(InspectInsertion, RejectsBadInput) {
  EXPECT_THROW(split_tokens(""), core::UserError);
  EXPECT_THROW(inspect_insertion({}, {}), core::UserError);
  EXPECT_THROW(inspect_insertion({"a"}, {.chunks = {0}}), core::UserError);
}

}  // namespace
}  // namespace unfold::gsa
