// Classes of characters as tokenizers split by them: letters, numbers, white space.
//
// They are those of the Python `tokenizers` library (Unicode 16), from a table of our own: system
// libraries follow Unicode at their own pace, and a text must not change its tokens with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace unfold::data {

// Bits of a class; a character without any is a sign, a mark, a control or unassigned.
inline constexpr std::uint8_t kLetter = 1;  // \p{L}
inline constexpr std::uint8_t kNumber = 2;  // \p{N}
inline constexpr std::uint8_t kSpace = 4;   // \s: White_Space
inline constexpr std::uint8_t kDigit = 8;   // what Digits cuts at: \p{N} and some newer ones

// (0x110000) classes by code point. Made at the first call; thread-safe.
const std::uint8_t* character_classes();

struct Character {
  std::uint32_t code_point;
  std::size_t size;  // in bytes
};

// The character that begins at text[at], in valid UTF-8.
inline Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

// Whether text (valid UTF-8) ends or begins inside a word: with a letter, mark, digit or connector.
bool ends_with_word_character(std::string_view text);
bool begins_with_word_character(std::string_view text);

// Bytes of white space at the end and at the beginning of text (valid UTF-8).
std::size_t trailing_space(std::string_view text);
std::size_t leading_space(std::string_view text);

}  // namespace unfold::data
