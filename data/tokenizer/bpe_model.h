// BPE proper: a word, as bytes, becomes tokens by merging the pair of lowest rank again and again.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

// Two tokens that become one; the position in the list of merges is the rank.
struct BpeMerge {
  TokenId left;
  TokenId right;
  bool operator==(const BpeMerge&) const = default;
};

// Working memory of one thread, kept between words.
struct BpeScratch {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t position;  // of the left symbol
    TokenId left;
    TokenId right;
  };
  std::vector<TokenId> symbols;
  std::vector<std::uint32_t> ranks;
  std::vector<std::uint32_t> next;
  std::vector<std::uint32_t> previous;
  std::vector<Candidate> heap;
};

class BpeModel {
 public:
  // tokens: bytes by id; is_added marks special and other added tokens, which take part in merging
  // only where a merge makes one or a byte has no other token. ignore_merges: a word that is a
  // token is taken whole, whatever the merges say. Throws core::UserError: a merge of unknown ids,
  // one that is listed twice, one whose result is not in the vocabulary, two ids for the same
  // bytes.
  BpeModel(std::vector<std::string> tokens, const std::vector<bool>& is_added,
           std::vector<BpeMerge> merges, bool ignore_merges);
  BpeModel(BpeModel&&) = default;
  BpeModel(const BpeModel&) = delete;  // ids_ looks into tokens_

  // Appends the tokens of one word. Ties go to the leftmost pair. Long words take O(n log n).
  // A byte without a token is left out, as the Python library does: SmolLM2 has none for 0xF1,
  // which begins no character in use.
  void encode_word(std::string_view word, BpeScratch& scratch, std::vector<TokenId>& ids) const;

  // The same in two steps, for words that do not begin as bytes: the caller fills scratch.symbols
  // (fewer than 2^32 - 1 of them), and they are merged.
  void merge(BpeScratch& scratch, std::vector<TokenId>& ids) const;
  // The token of these bytes that takes part in merging.
  std::optional<TokenId> find_token(std::string_view bytes) const;

  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<BpeMerge>& merges() const { return merges_; }
  bool ignore_merges() const { return ignore_merges_; }

 private:
  struct Slot {
    std::uint64_t pair;  // kNoPair: free
    std::uint32_t rank;
    TokenId merged;
  };
  const Slot* find(TokenId left, TokenId right) const;
  void insert(TokenId left, TokenId right, std::uint32_t rank, TokenId merged);
  std::uint32_t rank_of(TokenId left, TokenId right) const;
  void merge_short(BpeScratch& scratch, std::vector<TokenId>& ids) const;
  void merge_long(BpeScratch& scratch, std::vector<TokenId>& ids) const;

  std::vector<std::string> tokens_;
  std::vector<BpeMerge> merges_;
  bool ignore_merges_;
  std::vector<TokenId> byte_tokens_;                   // (256), -1: none
  std::unordered_map<std::string_view, TokenId> ids_;  // views into tokens_
  std::vector<Slot> slots_;                            // open addressing, a power of two
  int shift_ = 0;
};

}  // namespace unfold::data
