#include "data/tokenizer/tokenizer.h"

#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "core/gguf_file.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/byte_tokenizer.h"
#include "data/tokenizer/gguf_vocabulary.h"
#include "data/tokenizer/llama2c_vocabulary.h"
#include "data/tokenizer/sentencepiece_tokenizer.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/tokenizer_spec.h"
#include "data/tokenizer/vocabulary_tables.h"
#include "gsa/insertion.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "tokenizer";

fs::path find_file(const std::string& name) {
  const core::PathKind kind = core::path_kind(name);
  if (kind == core::PathKind::folder) {
    fs::path inside = fs::path(name) / "tokenizer.json";
    core::require(core::path_kind(inside) == core::PathKind::file, kTag,
                  "{}: the folder has no tokenizer.json: give one, or \"byte\"", name);
    return inside;
  }
  core::require(kind == core::PathKind::file, kTag,
                "{}: no such file: give a tokenizer.json, a folder with one, or \"byte\"", name);
  return name;
}

TokenizerSpec read_spec(const fs::path& file) {
  if (core::is_gguf_file(file)) {
    return tokenizer_from_tables(read_gguf_vocabulary(file), file.string());
  }
  if (file.extension() == ".bin") {
    return tokenizer_from_tables(read_llama2c_vocabulary(file), file.string());
  }
  return read_tokenizer_json(file);
}

}  // namespace

std::string Tokenizer::decode(std::span<const TokenId> ids, bool with_special) const {
  std::string text;
  for (const TokenId id : ids) {
    if (with_special || !is_special(id)) text.append(token_bytes(id));
  }
  return text;
}

std::shared_ptr<const Tokenizer> make_tokenizer(TokenizerSpec spec) {
  if (spec.sentencepiece) return std::make_shared<SentencePieceTokenizer>(std::move(spec));
  return std::make_shared<BpeTokenizer>(std::move(spec));
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& name) {
  if (name == "byte") return std::make_shared<ByteTokenizer>();
  const fs::path file = find_file(name);
  TokenizerSpec spec = read_spec(file);
  // A saved byte tokenizer comes back as one.
  if (spec == byte_spec()) return std::make_shared<ByteTokenizer>();
  try {
    return make_tokenizer(std::move(spec));
  } catch (const core::UserError& error) {
    // Drop the tag of the inner message: this one speaks for both.
    std::string_view message = error.what();
    if (const auto tag = message.find("] "); tag != message.npos) message.remove_prefix(tag + 2);
    throw core::UserError(kTag, fmt::format("{}: {}", file.string(), message));
  }
}

std::vector<std::uint8_t> starts_word_table(const Tokenizer& tokenizer) {
  std::vector<std::uint8_t> table(static_cast<std::size_t>(tokenizer.vocab_size()));
  for (std::size_t id = 0; id < table.size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    // decode() leaves special tokens out: their decoded text is empty, which starts a word.
    const std::string_view decoded =
        tokenizer.is_special(token) ? std::string_view() : tokenizer.token_bytes(token);
    table[id] = gsa::starts_word(decoded) ? 1 : 0;
  }
  return table;
}

}  // namespace unfold::data
