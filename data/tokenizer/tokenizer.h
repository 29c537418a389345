// Tokenizer: text <-> token ids. Three kinds: plain bytes, byte-level BPE and SentencePiece BPE
// (both from tokenizer.json or GGUF).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::data {

using TokenId = std::int32_t;

// Special tokens that a tokenizer puts around a whole text for its model, such as
// <|begin_of_text|>.
struct SpecialFrame {
  std::vector<TokenId> before;
  std::vector<TokenId> behind;
  bool operator==(const SpecialFrame&) const = default;
};

// Immutable: every method may be called from several threads at once. Ids given to token_bytes(),
// is_special() and decode() must be below vocab_size() (anything else is a bug: InternalError).
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // "byte", "bpe" or "sentencepiece".
  virtual std::string_view kind() const = 0;
  // Number of ids, special tokens included. Gist rows are appended by the model behind these.
  virtual std::int64_t vocab_size() const = 0;
  // Ids of the text; no special tokens are added. Text that spells a special token, e.g. "<|eos|>",
  // is encoded as that token. The text is valid UTF-8 (data/text.h checks it at the door); BPE
  // throws core::UserError when it is not, the byte tokenizer takes any bytes.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  // The same, but text that spells a special token is text like any other: for what a user typed.
  // A tokenizer that knows no special text has nothing to override.
  virtual std::vector<TokenId> encode_plain(std::string_view text) const { return encode(text); }
  // What the tokenizer's file says to put around a text; encode() leaves it to the caller.
  virtual SpecialFrame frame() const { return {}; }
  // Bytes of one id: exact, may be an incomplete UTF-8 sequence. Special tokens give their name.
  virtual std::string_view token_bytes(TokenId id) const = 0;
  virtual bool is_special(TokenId id) const = 0;
  // End-of-document token; every document in a shard ends with it.
  virtual TokenId eos() const = 0;
  // Begin-of-document token, if the tokenizer has one.
  virtual std::optional<TokenId> bos() const = 0;
  // 64 hex digits (SHA-256) that identify vocabulary, merges, pattern and special tokens.
  virtual std::string fingerprint() const = 0;
  // Writes a Hugging Face tokenizer.json, replacing a file of that name. Throws core::UserError
  // when it cannot be written (the folder must exist).
  virtual void save(const std::filesystem::path& file) const = 0;

  // Concatenated bytes; special tokens are left out unless asked for. A SentencePiece tokenizer
  // that puts a space before the text when encoding takes one off the front again.
  virtual std::string decode(std::span<const TokenId> ids, bool with_special = false) const;
};

// name: "byte" (embedded), a tokenizer.json, a folder that holds one, a GGUF file, or a tokenizer
// of llama2.c (.bin). Throws core::UserError with file and reason for anything that is not a
// tokenizer we can read.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& name);

// For each id, 1 when its decoded text starts a word (METHOD.md section 3), else 0.
std::vector<std::uint8_t> starts_word_table(const Tokenizer& tokenizer);

}  // namespace unfold::data
