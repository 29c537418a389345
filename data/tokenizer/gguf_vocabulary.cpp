#include "data/tokenizer/gguf_vocabulary.h"

#include <fmt/core.h>

#include <limits>

#include "data/text.h"

namespace unfold::data {
namespace {

std::vector<std::string> copy_texts(const core::GgufFile& file, std::string_view key) {
  const auto views = file.texts(key);
  if (!views) return {};
  return {views->begin(), views->end()};
}

std::optional<TokenId> token_id(const core::GgufFile& file, std::string_view key) {
  const std::optional<std::int64_t> id = file.integer(key);
  if (!id) return std::nullopt;
  // 2^32 - 1 is how some writers say "none".
  if (*id == std::numeric_limits<std::uint32_t>::max() || *id == -1) return std::nullopt;
  if (*id < 0 || *id > std::numeric_limits<TokenId>::max()) {
    file.fail(fmt::format("metadata '{}': {} is out of range", key, *id));
  }
  return static_cast<TokenId>(*id);
}

}  // namespace

VocabularyTables read_gguf_vocabulary(const core::GgufFile& file) {
  VocabularyTables tables;
  const auto model = file.text("tokenizer.ggml.model");
  if (!model) file.fail("metadata 'tokenizer.ggml.model' is missing: the file has no vocabulary");
  tables.model = *model;
  tables.pre = file.text("tokenizer.ggml.pre").value_or("");
  tables.tokens = copy_texts(file, "tokenizer.ggml.tokens");
  tables.merges = copy_texts(file, "tokenizer.ggml.merges");
  tables.scores = file.numbers("tokenizer.ggml.scores").value_or(std::vector<float>());
  if (const auto types = file.integers("tokenizer.ggml.token_type")) {
    for (const std::int64_t type : *types) {
      const bool known = type >= kNormalToken && type <= kByteToken;
      tables.types.push_back(known ? static_cast<std::int32_t>(type) : kNormalToken);
    }
  }
  tables.bos = token_id(file, "tokenizer.ggml.bos_token_id");
  tables.eos = token_id(file, "tokenizer.ggml.eos_token_id");
  tables.unknown = token_id(file, "tokenizer.ggml.unknown_token_id");
  // SentencePiece models begin with bos unless told otherwise.
  tables.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(tables.model == "llama");
  tables.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  tables.chat_template = file.text("tokenizer.chat_template").value_or("");
  if (find_invalid_utf8(tables.chat_template) != std::string::npos) {
    file.fail("metadata 'tokenizer.chat_template' is not valid UTF-8");
  }
  return tables;
}

VocabularyTables read_gguf_vocabulary(const std::filesystem::path& file) {
  return read_gguf_vocabulary(core::GgufFile(file));
}

}  // namespace unfold::data
