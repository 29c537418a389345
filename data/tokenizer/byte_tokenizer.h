// Byte tokenizer: ids 0..255 are the bytes, 256 is <|endoftext|>. Needs no file and no training.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

class ByteTokenizer : public Tokenizer {
 public:
  ByteTokenizer();

  std::string_view kind() const override { return "byte"; }
  std::int64_t vocab_size() const override;
  std::vector<TokenId> encode(std::string_view text) const override;
  std::vector<TokenId> encode_plain(std::string_view text) const override;
  std::string_view token_bytes(TokenId id) const override;
  bool is_special(TokenId id) const override;
  TokenId eos() const override { return kEos; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::string fingerprint() const override { return fingerprint_; }
  void save(const std::filesystem::path& file) const override;

 private:
  static constexpr TokenId kEos = 256;

  std::vector<std::string> tokens_;
  AddedTokenFinder finder_;
  std::string fingerprint_;
};

}  // namespace unfold::data
