// Word cache: tokens of words already met. Natural text repeats its words so often that most are
// never merged twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

// Bounded: holds up to kMaxWords words (about 2 MB) and starts afresh when full. For one thread.
class WordCache {
 public:
  static constexpr std::size_t kMaxWords = std::size_t{1} << 15;
  static constexpr std::size_t kMaxWordBytes = 64;  // longer words are too rare to keep

  WordCache();

  static std::uint64_t hash(std::string_view word);

  // Tokens of the word, valid until the next insert.
  std::optional<std::span<const TokenId>> find(std::string_view word, std::uint64_t hash) const;
  // Remembers a word that find() did not know and that has at most kMaxWordBytes bytes.
  void insert(std::string_view word, std::uint64_t hash, std::span<const TokenId> ids);

 private:
  struct Slot {
    std::uint32_t tag;         // upper half of the hash
    std::uint32_t word_begin;  // in words_
    std::uint32_t ids_begin;   // in ids_
    std::uint16_t word_size;   // 0: free
    std::uint16_t ids_size;
  };
  std::string_view word_of(const Slot& slot) const {
    return std::string_view(words_).substr(slot.word_begin, slot.word_size);
  }

  std::vector<Slot> slots_;  // open addressing, half full at most
  std::string words_;
  std::vector<TokenId> ids_;
  std::size_t count_ = 0;
};

}  // namespace unfold::data
