#include "data/tokenizer/id_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.h"
#include "data/text.h"

namespace unfold::data {

std::string write_ids(std::span<const TokenId> ids) {
  std::string text;
  text.reserve(ids.size() * 6);
  std::array<char, 16> digits;
  for (const TokenId id : ids) {
    if (!text.empty()) text.push_back(' ');
    char* end = std::to_chars(digits.data(), digits.data() + digits.size(), id).ptr;
    text.append(digits.data(), end);
  }
  return text;
}

std::vector<TokenId> parse_ids(std::string_view text, std::int64_t vocab_size,
                               std::string_view origin) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  std::vector<TokenId> ids;
  std::size_t at = text.find_first_not_of(kSpace);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    TokenId id = -1;
    const auto [rest, status] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (status != std::errc() || rest != word.data() + word.size() || id < 0 || id >= vocab_size) {
      core::fail("tokenizer", "{}: '{}' at byte {}: expected an id from 0 to {}", origin,
                 replace_invalid_utf8(word.substr(0, 40)), at, vocab_size - 1);
    }
    ids.push_back(id);
    at = text.find_first_not_of(kSpace, end);
  }
  return ids;
}

}  // namespace unfold::data
