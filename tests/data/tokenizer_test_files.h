// Helpers of the tokenizer and text tests: files in a fresh folder, messages of user errors, and
// text with the oddities that break tokenizers.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace unfold::data {

// A folder of its own for each test, removed at the end.
class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "unfold-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
  }
  ~FilesTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

  std::filesystem::path folder_;
};

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

// The message of the UserError that `action` throws; fails the test when it throws none.
template <typename Action>
std::string user_error(Action&& action) {
  try {
    action();
  } catch (const core::UserError& error) {
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected a UserError";
  return "";
}

inline void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

// Small deterministic generator, the same on every platform.
class Lcg {
 public:
  explicit Lcg(std::uint64_t seed) : state_(seed) {}
  std::uint32_t below(std::uint32_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>((state_ >> 33) % bound);
  }

 private:
  std::uint64_t state_;
};

// Words made of few syllables, with punctuation, numbers and line ends: something BPE can learn.
inline std::string babble(std::size_t words, std::uint64_t seed) {
  static constexpr std::string_view kSyllables[] = {"ka", "lo", "the", "ing", "str", "un",
                                                    "er", "mi", "ab",  "é",   "ши",  "o"};
  Lcg random(seed);
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint32_t kind = random.below(20);
    if (kind == 0) {
      text += std::to_string(random.below(2000));
    } else {
      const std::uint32_t syllables = 1 + random.below(3);
      // The square favours some syllables, as languages do.
      for (std::uint32_t s = 0; s < syllables; ++s) {
        text += kSyllables[random.below(12) * random.below(12) / 12];
      }
    }
    text += kind == 1 ? ".\n" : kind == 2 ? ", " : kind == 3 ? "'s " : " ";
  }
  return text;
}

inline std::vector<std::string> nasty_texts() {
  std::vector<std::string> texts = {
      "",
      " ",
      "a",
      "\n\n\n  \t\r\n x  y   ",
      "don't WE'LL it's 'tis '' 's",
      "tabs\tand\vvertical\fform feeds",
      "emoji \U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467 \U0001F1E9\U0001F1EA flags",
      "中文字符和日本語テキスト、한국어도",
      "e\u0301 combining, \u00A0nbsp\u2003em\u3000ideographic\u2028line\u0085nel",
      "العربية والأرقام ٠١٢٣ עברית",
      "\uFEFFbom inside\uFFFD\uFFFF",
      std::string("nul\0byte", 8),
      std::string(100000, 'a'),
      std::string(100000, ' ') + "x",
      std::string(5000, '\n'),
      "<|endoftext",
      "<|endoftext|",
      "<<||>>",
  };
  std::string every_range;
  for (std::uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c < 0xE000) continue;
    append_utf8(every_range, c);
  }
  texts.push_back(every_range);
  std::string long_word;
  for (int i = 0; i < 20000; ++i) long_word += "日本é";
  texts.push_back(long_word);
  return texts;
}

}  // namespace unfold::data
