#include "eval/utf8_stream.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/text.h"

namespace unfold::eval {
namespace {

std::string byte_by_byte(const std::string& bytes) {
  Utf8Stream stream;
  std::string text;
  for (const char byte : bytes) {
    const std::string piece = stream.push(std::string_view(&byte, 1));
    EXPECT_EQ(data::find_invalid_utf8(piece), std::string::npos);
    text += piece;
  }
  return text + stream.finish();
}

TEST(Utf8Stream, HoldsBackOnlyIncompleteCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a"), "a");
  EXPECT_EQ(stream.push("b\xe2"), "b");
  EXPECT_EQ(stream.push("\x82"), "");
  EXPECT_EQ(stream.push("\xac!"), "\u20ac!");
  EXPECT_EQ(stream.push("\xf0\x9f\x98"), "");
  EXPECT_EQ(stream.push("\x80"), "\U0001f600");
  EXPECT_EQ(stream.push(""), "");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, ReplacesWhatCannotBeCompleted) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\x80"), "\ufffd");  // a continuation with nothing before it
  EXPECT_EQ(stream.push("\xe2\x82"), "");    // may become a euro sign
  EXPECT_EQ(stream.push("x"), "\ufffdx");    // but does not
  EXPECT_EQ(stream.push("\xed"), "");        // ED A0 would begin a surrogate
  EXPECT_EQ(stream.push("\xa0"), "\ufffd\ufffd");
  EXPECT_EQ(stream.push("\xff"), "\ufffd");
  EXPECT_EQ(stream.push("\xf0\x9f"), "");
  EXPECT_EQ(stream.finish(), "\ufffd");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, EqualsReplacingTheWholeTextHoweverItIsCut) {
  // Bytes at the edges of table 3-7 meet in every order.
  const std::string bytes =
      "a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xff";
  core::Random random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::uint32_t i = 0, size = random.below(12); i < size; ++i) {
      text += bytes[random.below(static_cast<std::uint32_t>(bytes.size()))];
    }
    ASSERT_EQ(byte_by_byte(text), data::replace_invalid_utf8(text)) << testing::PrintToString(text);
    Utf8Stream stream;
    const std::size_t cut = random.below(static_cast<std::uint32_t>(text.size()) + 1);
    std::string pieces = stream.push(text.substr(0, cut));
    pieces += stream.push(text.substr(cut));
    ASSERT_EQ(pieces + stream.finish(), data::replace_invalid_utf8(text));
  }
}

}  // namespace
}  // namespace unfold::eval
