// Byte-level BPE tokenizer: added tokens, normalisation, splitting into words, merging.
#pragma once

#include <string>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_spec.h"
#include "data/tokenizer/workspace_pool.h"

namespace unfold::data {

// Thread-safe: every running encode() borrows a workspace (word cache, regex memory) from a pool.
class BpeTokenizer : public Tokenizer {
 public:
  // Throws core::UserError when the spec does not hold together (see BpeModel, PreTokenizer).
  explicit BpeTokenizer(TokenizerSpec spec);
  ~BpeTokenizer() override;

  std::string_view kind() const override { return "bpe"; }
  std::int64_t vocab_size() const override;
  // Throws core::UserError when the text is not valid UTF-8.
  std::vector<TokenId> encode(std::string_view text) const override;
  std::vector<TokenId> encode_plain(std::string_view text) const override;
  SpecialFrame frame() const override { return frame_; }
  std::string_view token_bytes(TokenId id) const override;
  bool is_special(TokenId id) const override;
  TokenId eos() const override { return eos_; }
  std::optional<TokenId> bos() const override { return bos_; }
  std::string fingerprint() const override { return fingerprint_; }
  void save(const std::filesystem::path& file) const override;

 private:
  struct Workspace;

  TokenizerSpec spec() const;
  std::vector<TokenId> encode(std::string_view text, bool skip_special) const;
  void encode_words(std::string_view text, Workspace& workspace, std::vector<TokenId>& ids) const;

  std::vector<AddedToken> added_;
  AddedTokenFinder raw_finder_;         // of added tokens found before normalisation
  AddedTokenFinder normalized_finder_;  // and behind it
  PreTokenizer pre_tokenizer_;
  BpeModel model_;
  bool nfc_;
  TokenId eos_;
  std::optional<TokenId> bos_;
  SpecialFrame frame_;
  std::vector<bool> special_;  // by id
  std::string fingerprint_;

  mutable WorkspacePool<Workspace> pool_;
};

}  // namespace unfold::data
