#include "data/tokenizer/tokenizer_spec.h"

#include <fmt/core.h>

#include "data/sha256.h"

namespace unfold::data {

TokenizerSpec byte_spec() {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) spec.tokens.emplace_back(1, static_cast<char>(byte));
  spec.eos = static_cast<TokenId>(spec.tokens.size());
  spec.tokens.emplace_back(kEndOfText);
  spec.added.push_back({spec.eos, std::string(kEndOfText), true});
  spec.pre_tokenizer = default_pre_tokenizer();
  return spec;
}

std::vector<bool> mark_added(const TokenizerSpec& spec) {
  std::vector<bool> marks(spec.tokens.size());
  for (const AddedToken& token : spec.added) marks.at(static_cast<std::size_t>(token.id)) = true;
  return marks;
}

std::string fingerprint_of(const TokenizerSpec& spec) {
  Sha256 hash;
  const auto put = [&](std::string_view name, std::string_view value) {
    hash.update(fmt::format("{} {}:", name, value.size()));
    hash.update(value);
    hash.update("\n");
  };
  const auto put_number = [&](std::string_view name, std::int64_t value) {
    hash.update(fmt::format("{} {}\n", name, value));
  };
  put("tokenizer", "1");
  for (const std::string& token : spec.tokens) put("token", token);
  for (const BpeMerge& merge : spec.merges) {
    put_number("left", merge.left);
    put_number("right", merge.right);
  }
  put_number("ignore_merges", spec.ignore_merges);
  for (const AddedToken& token : spec.added) {
    put_number(token.special ? "special" : "added", token.id);
    put("text", token.text);
    // Only what is set, so that the fingerprints of tokenizers without these stay what they were.
    if (token.lstrip) put_number("lstrip", 1);
    if (token.rstrip) put_number("rstrip", 1);
    if (token.single_word) put_number("single_word", 1);
    if (token.normalized && spec.nfc) put_number("normalized", 1);
  }
  for (const PreTokenizerStage& stage : spec.pre_tokenizer) {
    put_number("stage", static_cast<int>(stage.kind));
    put("pattern", stage.pattern);
    if (stage.add_prefix_space) put_number("add_prefix_space", 1);
  }
  put_number("nfc", spec.nfc);
  put_number("eos", spec.eos);
  put_number("bos", spec.bos.value_or(-1));
  if (spec.sentencepiece) {  // nothing otherwise: files hold fingerprints from before
    put_number("prefix", static_cast<int>(spec.sentencepiece->prefix));
    put_number("strip_space", spec.sentencepiece->strip_space);
    put_number("unknown", spec.sentencepiece->unknown.value_or(-1));
    put_number("fuse_unknown", spec.sentencepiece->fuse_unknown);
  }
  return hash.hex_digest();
}

}  // namespace unfold::data
