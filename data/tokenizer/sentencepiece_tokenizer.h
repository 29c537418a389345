// SentencePiece-style BPE (Llama 2, llama2.c, GGUF model "llama"): merges run over whole text, in
// which spaces are "\u2581"; characters without a token fall back to their bytes.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_spec.h"
#include "data/tokenizer/word_cache.h"
#include "data/tokenizer/workspace_pool.h"

namespace unfold::data {

// U+2581, which stands for a space.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// The byte that a token "<0x0A>" stands for; -1 for other texts.
int byte_of_token(std::string_view token);

// Thread-safe. Where no token has a space mark behind another character (Llama 2), text is merged
// word by word, which gives the same tokens; else in one piece, in O(n log n).
class SentencePieceTokenizer : public Tokenizer {
 public:
  // Throws core::UserError when the spec does not hold together (see BpeModel).
  explicit SentencePieceTokenizer(TokenizerSpec spec);

  std::string_view kind() const override { return "sentencepiece"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  // Throws core::UserError when the text is not valid UTF-8, or has a character without a token in
  // a vocabulary that has neither its bytes nor an unknown token.
  std::vector<TokenId> encode(std::string_view text) const override;
  std::vector<TokenId> encode_plain(std::string_view text) const override;
  SpecialFrame frame() const override { return frame_; }
  std::string_view token_bytes(TokenId id) const override;
  bool is_special(TokenId id) const override;
  TokenId eos() const override { return eos_; }
  std::optional<TokenId> bos() const override { return bos_; }
  std::string fingerprint() const override { return fingerprint_; }
  void save(const std::filesystem::path& file) const override;
  std::string decode(std::span<const TokenId> ids, bool with_special = false) const override;

 private:
  struct Workspace {
    BpeScratch bpe;
    WordCache cache;
    std::string text;
  };

  std::vector<TokenId> encode(std::string_view text, bool skip_special) const;
  void encode_stretch(std::string_view text, bool first, Workspace& workspace,
                      std::vector<TokenId>& ids) const;
  void encode_word(std::string_view word, Workspace& workspace, std::vector<TokenId>& ids) const;
  void append_symbols(std::string_view character, std::vector<TokenId>& symbols) const;

  std::vector<AddedToken> added_;
  AddedTokenFinder finder_;
  BpeModel model_;
  SentencePieceSpec options_;
  TokenId eos_;
  std::optional<TokenId> bos_;
  SpecialFrame frame_;
  std::vector<std::string> bytes_;         // by id, decoded
  std::vector<bool> special_;              // by id
  std::array<TokenId, 256> byte_tokens_;   // "<0x00>" .. "<0xFF>"; -1: none
  std::array<TokenId, 128> ascii_tokens_;  // of single characters; -1: none
  bool cuts_words_;
  std::string fingerprint_;
  mutable WorkspacePool<Workspace> pool_;
};

}  // namespace unfold::data
