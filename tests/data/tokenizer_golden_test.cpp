// Tokens against those of the Python library (tests/golden/make_tokenizers.py), and the scanners
// against the patterns they stand for.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "data/tokenizer/characters.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/regex.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/word_scanner.h"
#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

using nlohmann::json;

class TokenizerGoldenTest : public FilesTest {};

TEST_F(TokenizerGoldenTest, TheIdsAreThoseOfThePythonLibrary) {
  const json golden = json::parse(
      read_bytes(std::filesystem::path(UNFOLD_SOURCE_DIR) / "tests/golden/tokenizers.json"));
  for (const json& entry : golden) {
    const std::string kind = entry["kind"];
    const auto file = write(kind + "/tokenizer.json", entry["tokenizer"].dump());
    const auto loaded = load_tokenizer(file.string());
    loaded->save(folder_ / (kind + ".saved.json"));
    const auto saved = load_tokenizer((folder_ / (kind + ".saved.json")).string());
    EXPECT_EQ(saved->fingerprint(), loaded->fingerprint());
    for (const auto& tokenizer : {loaded, saved}) {
      for (const json& one : entry["cases"]) {
        const std::string text = one["text"];
        const std::vector<TokenId> ids = tokenizer->encode(text);
        EXPECT_EQ(ids, one["ids"].get<std::vector<TokenId>>()) << kind << ": " << text;
        EXPECT_EQ(tokenizer->encode_plain(text), one["plain"].get<std::vector<TokenId>>())
            << kind << ": " << text;
        EXPECT_EQ(tokenizer->frame().before, one["before"].get<std::vector<TokenId>>()) << kind;
        const bool changes = kind == "qwen2" || kind == "odd";  // NFC, and spaces put in front
        if (!changes) {
          EXPECT_EQ(tokenizer->decode(ids, true), text) << kind;
        }
      }
    }
  }
}

// White space as the library and the scanners have it; PCRE2 adds U+180E to its own \s.
std::string with_our_spaces(std::string pattern) {
  const std::string spaces =
      "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
      "\\x{205f}\\x{3000}";
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (std::size_t at = pattern.find(from); at != std::string::npos;
         at = pattern.find(from, at + to.size())) {
      pattern.replace(at, from.size(), to);
    }
  };
  replace("[^\\s", "[^" + spaces);
  replace("\\s", "[" + spaces + "]");
  replace("\\S", "[^" + spaces + "]");
  return pattern;
}

// Characters that PCRE2 and the table class alike: all that PCRE2's older Unicode knows.
class ScannerTest : public ::testing::Test {
 protected:
  bool known(std::uint32_t c) {
    std::string text;
    append_utf8(text, c);
    return !unassigned_.find(text, 0, scratch_);
  }
  void expect_same(const std::string& text, const std::string& pattern, WordScanner scan) {
    const auto found = patterns_.try_emplace(pattern, with_our_spaces(pattern)).first;
    for (std::size_t at = 0; at < text.size();) {
      const auto match = found->second.find(text, at, scratch_);
      ASSERT_TRUE(match) << pattern << " leaves a gap in " << text;
      ASSERT_EQ(match->begin, at) << pattern << " leaves a gap in " << text;
      ASSERT_EQ(scan(text, at), match->end) << pattern << " at byte " << at << " of " << text;
      at = match->end;
    }
  }
  void expect_all_same(const std::string& text) {
    for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern}) {
      ASSERT_NE(find_word_scanner(pattern), nullptr);
      expect_same(text, std::string(pattern), find_word_scanner(pattern));
    }
    expect_same(text, "\\p{N}+|\\P{N}+", scan_digits);
    expect_same(text, "\\p{N}|\\P{N}+", scan_single_digits);
  }

  Regex unassigned_{"\\p{Cn}"};
  RegexScratch scratch_;
  std::map<std::string, Regex> patterns_;
};

TEST_F(ScannerTest, CutLikeThePatternsAroundEveryCharacter) {
  std::string run;
  for (std::uint32_t c = 1; c < 0x110000; ++c) {
    if ((c >= 0xD800 && c < 0xE000) || !known(c)) continue;
    // Behind and before letters, spaces, digits, signs and line ends, and beside itself.
    for (const char* neighbour : {"a", " ", "1", ".", "\n", "'"}) {
      append_utf8(run, c);
      run += neighbour;
    }
    append_utf8(run, c);
    append_utf8(run, c);
    if (run.size() > 4000 || c == 0x10FFFF) {
      expect_all_same(run);
      if (HasFatalFailure()) return;
      run.clear();
    }
  }
  expect_all_same(run);
}

TEST_F(ScannerTest, CutLikeThePatternsInRandomText) {
  static constexpr std::string_view kPieces[] = {
      "a",      "B",      "s",          "S",      "ll",     "VE",     "re",     "d",      "t",
      "'",      "'",      " ",          " ",      "\n",     "\r",     "\t",     "1",      "23",
      ".",      "!?",     "é",          "中",     "\u3000", "\u00A0", "\u0085", "\u2028", "\u0661",
      "\u00BD", "\u0301", "\U0001F600", "\u017F", "\u180E", "\u200B", "_",      "\v",     "\u216B"};
  Lcg random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint32_t n = 1 + random.below(14); n > 0; --n) {
      text += kPieces[random.below(static_cast<std::uint32_t>(std::size(kPieces)))];
    }
    expect_all_same(text);
    if (HasFatalFailure()) return;
  }
}

TEST(Characters, WordsAndSpacesAtTheEnds) {
  EXPECT_TRUE(ends_with_word_character("xé"));
  EXPECT_TRUE(begins_with_word_character("_x"));
  EXPECT_FALSE(ends_with_word_character("x "));
  EXPECT_FALSE(ends_with_word_character(""));
  EXPECT_FALSE(begins_with_word_character("-"));
  EXPECT_EQ(trailing_space("a \u3000"), 4U);
  EXPECT_EQ(leading_space("\n\u00A0b "), 3U);
  EXPECT_EQ(trailing_space(" \t"), 2U);
}

}  // namespace
}  // namespace unfold::data
