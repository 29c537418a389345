#include "data/tokenizer/characters.h"

#include <utf8proc.h>

#include <vector>

#include "data/tokenizer/unicode_ranges.h"

namespace unfold::data {
namespace {

template <std::size_t N>
void mark(std::vector<std::uint8_t>& classes, const CharacterRange (&ranges)[N],
          std::uint8_t bits) {
  for (const CharacterRange& range : ranges) {
    for (std::uint32_t c = range.first; c <= range.last; ++c) classes[c] |= bits;
  }
}

std::vector<std::uint8_t> make_classes() {
  std::vector<std::uint8_t> classes(0x110000);
  mark(classes, kLetters, kLetter);
  mark(classes, kNumbers, kNumber | kDigit);
  mark(classes, kMoreDigits, kDigit);
  mark(classes, kSpaces, kSpace);
  return classes;
}

// \w of Unicode (UTS 18): alphabetic, mark, decimal number, connector, joiner.
bool is_word_character(std::uint32_t c) {
  const auto within = [&](std::uint32_t first, std::uint32_t last) {
    return c >= first && c <= last;
  };
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      // The joiners, and the circled and squared letters, which are alphabetic signs.
      return within(0x200C, 0x200D) || within(0x24B6, 0x24E9) || within(0x1F130, 0x1F149) ||
             within(0x1F150, 0x1F169) || within(0x1F170, 0x1F189);
  }
}

std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

const std::uint8_t* character_classes() {
  static const std::vector<std::uint8_t> classes = make_classes();
  return classes.data();
}

bool ends_with_word_character(std::string_view text) {
  return !text.empty() && is_word_character(character_at(text, last_character(text)).code_point);
}

bool begins_with_word_character(std::string_view text) {
  return !text.empty() && is_word_character(character_at(text, 0).code_point);
}

std::size_t trailing_space(std::string_view text) {
  const std::uint8_t* classes = character_classes();
  std::size_t end = text.size();
  while (end > 0) {
    const std::size_t at = last_character(text.substr(0, end));
    if (!(classes[character_at(text, at).code_point] & kSpace)) break;
    end = at;
  }
  return text.size() - end;
}

std::size_t leading_space(std::string_view text) {
  const std::uint8_t* classes = character_classes();
  std::size_t end = 0;
  while (end < text.size()) {
    const Character next = character_at(text, end);
    if (!(classes[next.code_point] & kSpace)) break;
    end += next.size;
  }
  return end;
}

}  // namespace unfold::data
