#include "data/tokenizer/word_scanner.h"

#include <cstdint>

#include "data/tokenizer/characters.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace unfold::data {
namespace {

// As tokenizer files and the GPT-2 sources spell it; kGpt2Pattern is the same, shorter.
constexpr std::string_view kGpt2LongPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::uint8_t kWordClasses = kLetter | kNumber | kSpace;

// Text with the class of every character.
class Classified {
 public:
  explicit Classified(std::string_view text) : text_(text), classes_(character_classes()) {}

  struct Step {
    std::uint8_t kind;  // kLetter, kNumber, kSpace or 0
    std::size_t end;    // of the character
  };
  Step step(std::size_t at) const {
    const Character next = character_at(text_, at);
    return {static_cast<std::uint8_t>(classes_[next.code_point] & kWordClasses), at + next.size};
  }
  // End of the run of characters of this kind from `at` on.
  std::size_t run(std::size_t at, std::uint8_t kind) const {
    while (at < text_.size()) {
      const Step next = step(at);
      if (next.kind != kind) break;
      at = next.end;
    }
    return at;
  }
  bool is_kind(std::size_t at, std::uint8_t kind) const {
    return at < text_.size() && step(at).kind == kind;
  }
  char byte(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  bool is_line_end(std::size_t at) const { return byte(at) == '\n' || byte(at) == '\r'; }
  std::size_t size() const { return text_.size(); }

 private:
  std::string_view text_;
  const std::uint8_t* classes_;
};

// \s+(?!\S)|\s+ for a run of spaces [from, end): all of it at the end of the text, else all but the
// last character, unless that is the only one. last: where the last character of the run begins.
std::size_t leave_last_space(const Classified& text, std::size_t from, std::size_t last,
                             std::size_t end) {
  return end == text.size() || last == from ? end : last;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Bytes of an English contraction behind the apostrophe at `at`; 0: none.
template <bool AnyCase>
std::size_t contraction(const Classified& text, std::size_t at) {
  const char raw = text.byte(at + 1);
  const char first = AnyCase ? lower(raw) : raw;
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = AnyCase ? lower(text.byte(at + 2)) : text.byte(at + 2);
  if ((first == 'l' && second == 'l') || (first == 'v' && second == 'e') ||
      (first == 'r' && second == 'e')) {
    return 3;
  }
  // U+017F, the long s, is another case of s.
  if (AnyCase && raw == '\xC5' && text.byte(at + 2) == '\xBF') return 3;
  return 0;
}

template <int MostDigits>
std::size_t scan_llama3(std::string_view view, std::size_t from) {
  const Classified text(view);
  const auto [kind, next] = text.step(from);
  if (kind == kLetter) return text.run(next, kLetter);
  if (kind == kNumber) {
    std::size_t end = next;
    for (int digits = 1; digits < MostDigits && text.is_kind(end, kNumber); ++digits) {
      end = text.step(end).end;
    }
    return end;
  }
  if (view[from] == '\'') {
    if (const std::size_t bytes = contraction<true>(text, from)) return from + bytes;
  }
  if (!text.is_line_end(from) && text.is_kind(next, kLetter)) return text.run(next, kLetter);
  if (kind == 0 || (view[from] == ' ' && text.is_kind(next, 0))) {
    std::size_t end = text.run(next, 0);
    while (text.is_line_end(end)) ++end;
    return end;
  }
  std::size_t end = from;
  std::size_t last = from;
  std::size_t line_end = 0;  // behind the last line end of the run
  while (text.is_kind(end, kSpace)) {
    last = end;
    end = text.step(end).end;
    if (text.is_line_end(last)) line_end = end;
  }
  return line_end > 0 ? line_end : leave_last_space(text, from, last, end);
}

bool is_digit(std::string_view text, std::size_t at) {
  return character_classes()[character_at(text, at).code_point] & kDigit;
}

std::size_t end_of_digit_run(std::string_view text, std::size_t from, bool digits) {
  std::size_t at = from;
  while (at < text.size() && is_digit(text, at) == digits) at += character_at(text, at).size;
  return at;
}

}  // namespace

std::size_t scan_gpt2(std::string_view view, std::size_t from) {
  const Classified text(view);
  const auto [kind, next] = text.step(from);
  if (kind == kLetter || kind == kNumber) return text.run(next, kind);
  if (kind == 0) {
    if (view[from] == '\'') {
      if (const std::size_t bytes = contraction<false>(text, from)) return from + bytes;
    }
    return text.run(next, 0);
  }
  if (view[from] == ' ' && next < text.size()) {
    const auto [behind, end] = text.step(next);
    if (behind != kSpace) return text.run(end, behind);
  }
  std::size_t end = from;
  std::size_t last = from;
  while (text.is_kind(end, kSpace)) {
    last = end;
    end = text.step(end).end;
  }
  return leave_last_space(text, from, last, end);
}

std::size_t scan_digits(std::string_view text, std::size_t from) {
  return end_of_digit_run(text, from, is_digit(text, from));
}

std::size_t scan_single_digits(std::string_view text, std::size_t from) {
  return is_digit(text, from) ? from + character_at(text, from).size
                              : end_of_digit_run(text, from, false);
}

WordScanner find_word_scanner(std::string_view pattern) {
  if (pattern == kGpt2Pattern || pattern == kGpt2LongPattern) return scan_gpt2;
  if (pattern == kLlama3Pattern) return scan_llama3<3>;
  if (pattern == kQwen2Pattern) return scan_llama3<1>;
  return nullptr;
}

}  // namespace unfold::data
