// Tokenizer spec: everything a tokenizer.json says that matters to us, as plain data. Readers and
// the trainer make it, BpeTokenizer runs it, the writer and the fingerprint are functions of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

// Name of the end-of-document token of our own tokenizers.
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

struct TokenizerSpec {
  std::vector<std::string> tokens;  // bytes by id; for added tokens their text
  std::vector<BpeMerge> merges;     // by rank
  bool ignore_merges = false;       // words that are tokens skip the merges
  std::vector<AddedToken> added;    // ascending ids
  std::vector<PreTokenizerStage> pre_tokenizer;
  bool nfc = false;  // normalise to Unicode NFC before splitting
  TokenId eos = -1;
  std::optional<TokenId> bos;

  bool operator==(const TokenizerSpec&) const = default;
};

// The 256 bytes and <|endoftext|> as id 256: the byte tokenizer, and where BPE training starts.
TokenizerSpec byte_spec();

// SHA-256 over all fields, each with its length, as 64 hex digits.
std::string fingerprint_of(const TokenizerSpec& spec);

}  // namespace unfold::data
