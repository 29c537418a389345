#include "eval/metrics/python_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>

#include "data/text.h"
#include "data/tokenizer/characters.h"
#include "eval/metrics/python_characters_table.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kCodePoints = 0x110000;
constexpr std::uint8_t kSpaceBit = 1;
constexpr std::uint8_t kDigitBit = 2;
constexpr std::uint8_t kWordBit = 4;
constexpr std::uint8_t kCasedBit = 8;
constexpr std::uint8_t kIgnorableBit = 16;
constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kSigma = 0x3C3;
constexpr char32_t kFinalSigma = 0x3C2;
constexpr char32_t kCapitalDottedI = 0x130;
constexpr char32_t kDotAbove = 0x307;

std::vector<std::uint8_t> make_classes() {
  std::vector<std::uint8_t> classes(kCodePoints, 0);
  const auto mark = [&](std::span<const PythonRange> ranges, std::uint8_t bit) {
    for (const PythonRange& range : ranges) {
      for (std::uint32_t c = range.first; c <= range.last; ++c) classes[c] |= bit;
    }
  };
  mark(kPythonSpaces, kSpaceBit);
  mark(kPythonDigits, kDigitBit);
  mark(kPythonWords, kWordBit);
  mark(kPythonCased, kCasedBit);
  mark(kPythonCaseIgnorable, kIgnorableBit);
  return classes;
}

bool has(char32_t c, std::uint8_t bit) {
  static const std::vector<std::uint8_t> classes = make_classes();
  return c < kCodePoints && (classes[c] & bit) != 0;
}

// All but U+0130, which becomes two characters, and the sigma at the end of a word.
char32_t lower_of(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto behind =
      std::upper_bound(std::begin(kPythonLower), std::end(kPythonLower), c,
                       [](char32_t value, const PythonLowerRun& run) { return value < run.first; });
  if (behind == std::begin(kPythonLower)) return c;
  const PythonLowerRun& run = *std::prev(behind);
  if (c > run.last || (c - run.first) % run.step != 0) return c;
  return static_cast<char32_t>(static_cast<std::int64_t>(c) + run.delta);
}

// Unicode's Final_Sigma: a cased letter before it and none behind, whatever is ignorable between.
bool ends_word(std::u32string_view text, std::size_t sigma) {
  std::size_t before = sigma;
  while (before > 0 && has(text[before - 1], kIgnorableBit)) --before;
  if (before == 0 || !has(text[before - 1], kCasedBit)) return false;
  std::size_t behind = sigma + 1;
  while (behind < text.size() && has(text[behind], kIgnorableBit)) ++behind;
  return behind == text.size() || !has(text[behind], kCasedBit);
}

// The maximal runs of characters that are wanted.
template <typename Wanted>
std::vector<std::u32string_view> runs(std::u32string_view text, Wanted wanted) {
  std::vector<std::u32string_view> found;
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && !wanted(text[at])) ++at;
    const std::size_t begin = at;
    while (at < text.size() && wanted(text[at])) ++at;
    if (at > begin) found.push_back(text.substr(begin, at - begin));
  }
  return found;
}

}  // namespace

std::u32string to_code_points(std::string_view utf8) {
  std::string mended;
  if (data::find_invalid_utf8(utf8) != std::string_view::npos) {
    mended = data::replace_invalid_utf8(utf8);
    utf8 = mended;
  }
  std::u32string text;
  text.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const data::Character character = data::character_at(utf8, at);
    text += static_cast<char32_t>(character.code_point);
    at += character.size;
  }
  return text;
}

bool is_python_space(char32_t c) {
  return has(c, kSpaceBit);
}
bool is_python_digit(char32_t c) {
  return has(c, kDigitBit);
}
bool is_python_word(char32_t c) {
  return has(c, kWordBit);
}

std::u32string python_lower(std::u32string_view text) {
  std::u32string small;
  small.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == kCapitalSigma) {
      small += ends_word(text, i) ? kFinalSigma : kSigma;
    } else if (text[i] == kCapitalDottedI) {
      small += U'i';
      small += kDotAbove;
    } else {
      small += lower_of(text[i]);
    }
  }
  return small;
}

std::vector<std::u32string_view> python_split(std::u32string_view text) {
  return runs(text, [](char32_t c) { return !is_python_space(c); });
}

std::vector<std::u32string_view> split_at(std::u32string_view text, char32_t separator) {
  std::vector<std::u32string_view> pieces;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    pieces.push_back(text.substr(begin, end - begin));
    if (end == std::u32string_view::npos) return pieces;
    begin = end + 1;
  }
}

std::vector<std::u32string_view> find_numbers(std::u32string_view text) {
  return runs(text, is_python_digit);
}

}  // namespace unfold::eval
