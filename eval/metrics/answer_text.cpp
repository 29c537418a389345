#include "eval/metrics/answer_text.h"

#include <algorithm>

#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// The Chinese punctuation that LongBench takes out. Some is missing there too, as U+300A.
constexpr Range kChinesePunctuation[] = {
    {0x2013, 0x2014}, {0x2018, 0x2019}, {0x201B, 0x201F}, {0x2026, 0x2027}, {0x3001, 0x3003},
    {0x300B, 0x3011}, {0x3014, 0x301F}, {0x3030, 0x3030}, {0x303E, 0x303F}, {0xFE4F, 0xFE4F},
    {0xFF01, 0xFF0D}, {0xFF0F, 0xFF0F}, {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF64}};

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_chinese_punctuation(char32_t c) {
  return std::any_of(std::begin(kChinesePunctuation), std::end(kChinesePunctuation),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// Every run of word characters that is an article becomes a space.
std::u32string without_articles(std::u32string_view text) {
  std::u32string rest;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && is_python_word(text[at])) ++at;
    const std::u32string_view word = text.substr(begin, at - begin);
    if (word == U"a" || word == U"an" || word == U"the") {
      rest += U' ';
    } else {
      rest += word;
    }
    if (at < text.size()) rest += text[at++];
  }
  return rest;
}

}  // namespace

std::u32string normalize_answer(std::u32string_view text) {
  std::u32string plain = python_lower(text);
  std::erase_if(plain, is_ascii_punctuation);
  const std::u32string rest = without_articles(plain);
  std::u32string normal;
  for (const std::u32string_view word : python_split(rest)) {
    if (!normal.empty()) normal += U' ';
    normal += word;
  }
  return normal;
}

std::u32string normalize_chinese_answer(std::u32string_view text) {
  std::u32string plain = python_lower(text);
  std::erase_if(plain, [](char32_t c) {
    return is_ascii_punctuation(c) || is_chinese_punctuation(c) || is_python_space(c);
  });
  return plain;
}

}  // namespace unfold::eval
