#include "data/tokenizer/byte_tokenizer.h"

#include "core/error.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/tokenizer_spec.h"

namespace unfold::data {

ByteTokenizer::ByteTokenizer()
    : tokens_(byte_spec().tokens),
      finder_(byte_spec().added),
      fingerprint_(fingerprint_of(byte_spec())) {}

std::int64_t ByteTokenizer::vocab_size() const {
  return static_cast<std::int64_t>(tokens_.size());
}

std::vector<TokenId> ByteTokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size());
  const auto append = [&](std::string_view bytes) {
    for (const char c : bytes) ids.push_back(static_cast<unsigned char>(c));
  };
  std::size_t done = 0;
  while (const auto hit = finder_.find(text, done)) {
    append(text.substr(done, hit->begin - done));
    ids.push_back(hit->id);
    done = hit->begin + hit->size;
  }
  append(text.substr(done));
  return ids;
}

std::vector<TokenId> ByteTokenizer::encode_plain(std::string_view text) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return {bytes, bytes + text.size()};
}

std::string_view ByteTokenizer::token_bytes(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), "tokenizer", "token id {} of {}", id, vocab_size());
  return tokens_[static_cast<std::size_t>(id)];
}

bool ByteTokenizer::is_special(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), "tokenizer", "token id {} of {}", id, vocab_size());
  return id == kEos;
}

void ByteTokenizer::save(const std::filesystem::path& file) const {
  write_tokenizer_json(byte_spec(), file);
}

}  // namespace unfold::data
