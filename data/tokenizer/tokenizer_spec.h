// Tokenizer spec: everything a tokenizer.json says that matters to us, as plain data. Readers and
// the trainer make it, BpeTokenizer or SentencePieceTokenizer runs it, the writer and the
// fingerprint are functions of it.
#pragma once

#include <memory>
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

// What makes a BPE tokenizer one of SentencePiece's kind (Llama 2): text is not cut into words,
// spaces are written as "\u2581", and a character without a token becomes the tokens of its bytes,
// "<0xE4>".
struct SentencePieceSpec {
  // Where a space is put before text (between added tokens, every stretch of text is one).
  enum class Prefix {
    none,
    every,               // before every stretch (normalizer Prepend; SentencePiece's dummy prefix)
    unless_space,        // before every stretch that begins with no space (Metaspace, always)
    first_unless_space,  // before text that begins with no space (Metaspace, first)
  };
  Prefix prefix = Prefix::every;
  bool strip_space = true;         // decode() takes one space off the front
  std::optional<TokenId> unknown;  // for characters with neither token nor bytes
  bool fuse_unknown = true;        // one for a run of such characters
  bool operator==(const SentencePieceSpec&) const = default;
};

struct TokenizerSpec {
  // Bytes by id; for added tokens their text, for SentencePiece tokens as written in the file.
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;   // by rank
  bool ignore_merges = false;     // words that are tokens skip the merges
  std::vector<AddedToken> added;  // ascending ids
  std::vector<PreTokenizerStage> pre_tokenizer;
  bool nfc = false;  // normalise to Unicode NFC before splitting
  TokenId eos = -1;
  std::optional<TokenId> bos;
  std::optional<SentencePieceSpec> sentencepiece;  // pre_tokenizer is empty and nfc false then
  SpecialFrame frame = {};  // what the file's post-processor puts around a text

  bool operator==(const TokenizerSpec&) const = default;
};

// The 256 bytes and <|endoftext|> as id 256: the byte tokenizer, and where BPE training starts.
TokenizerSpec byte_spec();

// The tokenizer that runs the spec. Throws core::UserError when it does not hold together
// (BpeModel, PreTokenizer, SentencePieceTokenizer).
std::shared_ptr<const Tokenizer> make_tokenizer(TokenizerSpec spec);

// By id: whether the token is an added one.
std::vector<bool> mark_added(const TokenizerSpec& spec);

// SHA-256 over all fields, each with its length, as 64 hex digits.
std::string fingerprint_of(const TokenizerSpec& spec);

}  // namespace unfold::data
