// Added tokens: texts such as <|endoftext|> that are found in raw text before anything is split.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

struct AddedToken {
  TokenId id;
  std::string text;          // not empty
  bool special = true;       // left out by decode(); false for plain words added to a vocabulary
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and behind it
  bool single_word = false;  // not found inside a word
  bool normalized = false;   // looked for in normalised text, behind all that are not
  bool operator==(const AddedToken&) const = default;
};

// Text between added tokens, or one of them.
struct AddedPiece {
  std::string_view text;
  TokenId id = -1;  // -1: text without added tokens
};

// Finds the leftmost, then longest of a set of texts. Immutable, thread-safe.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  struct Hit {
    std::size_t begin;
    std::size_t size;
    TokenId id;
  };
  std::optional<Hit> find(std::string_view text, std::size_t from) const;

  // Cuts valid UTF-8 at the tokens, as their options say; no piece of text is empty. skip_special:
  // special tokens are not cut out, their text is text.
  std::vector<AddedPiece> split(std::string_view text, bool skip_special) const;

 private:
  struct Entry {
    std::string text;
    TokenId id;
    std::size_t token;  // in tokens_
  };
  struct Found {
    std::size_t begin;
    const Entry* entry;
  };
  std::optional<Found> find_entry(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;
  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
  std::string first_bytes_;
};

}  // namespace unfold::data
