#include "eval/metrics/string_match.h"

#include <gtest/gtest.h>

namespace unfold::eval {
namespace {

TEST(StringMatch, IgnoresCaseOfLetters) {
  EXPECT_EQ(string_match("It is Korrin.", "korrin"), 1);
  EXPECT_EQ(string_match("it is KORRIN", "Korrin"), 1);
  EXPECT_EQ(string_match("It is Korr in.", "korrin"), 0);
  EXPECT_EQ(string_match("", "a"), 0);
  EXPECT_EQ(string_match("", ""), 1);
  EXPECT_EQ(string_match("x", ""), 1);
  EXPECT_EQ(string_match("\xC3\x84ther", "\xC3\x84THER"), 1);
}

TEST(StringMatch, ShareOfTheAnswers) {
  const std::vector<std::string> answers = {"123", "456", "78", "9"};
  EXPECT_EQ(string_match_share("456, 123", answers), 0.5);
  EXPECT_EQ(string_match_share("456, 123, 789", answers), 1);
  EXPECT_EQ(string_match_share("", answers), 0);
}

TEST(StringMatch, PasskeyIsTheFirstInteger) {
  EXPECT_EQ(first_integer(" it is 48213, or 7"), "48213");
  EXPECT_EQ(first_integer("none"), "");
  EXPECT_EQ(first_integer(""), "");
  EXPECT_EQ(passkey_match(" 48213. Remember", "48213"), 1);
  EXPECT_EQ(passkey_match("48213", "48213"), 1);
  EXPECT_EQ(passkey_match("482134", "48213"), 0);
  EXPECT_EQ(passkey_match("not 1 but 48213", "48213"), 0);
  EXPECT_EQ(passkey_match("", "48213"), 0);
}

}  // namespace
}  // namespace unfold::eval
