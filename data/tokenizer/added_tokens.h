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
  std::string text;     // not empty
  bool special = true;  // left out by decode(); false for plain words added to a vocabulary
  bool operator==(const AddedToken&) const = default;
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

 private:
  struct Entry {
    std::string text;
    TokenId id;
  };
  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
  std::string first_bytes_;
};

}  // namespace unfold::data
