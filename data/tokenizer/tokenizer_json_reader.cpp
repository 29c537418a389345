#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/json_file.h"
#include "data/tokenizer/pipeline_json.h"
#include "data/tokenizer/post_processor_json.h"
#include "data/tokenizer/sentencepiece_json.h"
#include "data/tokenizer/tokenizer_json.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

using IdByKey = std::unordered_map<std::string, TokenId>;

// Usual names, the likeliest end of a document first.
constexpr std::array<std::string_view, 5> kUsualEos = {kEndOfText, "<|end_of_text|>", "</s>",
                                                       "<eos>", "<|eos|>"};
constexpr std::array<std::string_view, 4> kUsualBos = {"<|begin_of_text|>", "<s>", "<bos>",
                                                       "<|bos|>"};

TokenId read_id(const JsonView& value, std::size_t count) {
  const std::int64_t id = value.as_integer();
  if (id < 0 || static_cast<std::uint64_t>(id) >= count) {
    value.fail(fmt::format("id {} is outside 0..{}: ids must have no holes", id, count - 1));
  }
  return static_cast<TokenId>(id);
}

void read_added_tokens(const JsonView& list, const JsonView& vocab, TokenizerSpec& spec) {
  if (list.is_null()) return;
  list.expect_array();
  // Added tokens that the vocabulary does not repeat make it longer.
  std::size_t extra = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonView content = list.element(i).expect_object().member("content");
    if (content.as_string().empty()) content.fail("the text of an added token is empty");
    if (!vocab.value().contains(content.as_string())) ++extra;
  }
  const std::size_t count = vocab.size() + extra;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonView entry = list.element(i);
    AddedToken token;
    token.id = read_id(entry.member("id"), count);
    token.text = entry.member("content").as_string();
    token.special = entry.member("special").as_bool(true);
    token.lstrip = entry.member("lstrip").as_bool(false);
    token.rstrip = entry.member("rstrip").as_bool(false);
    token.single_word = entry.member("single_word").as_bool(false);
    token.normalized = entry.member("normalized").as_bool(false);
    if (const JsonView same = vocab.member(token.text); !same.is_null()) {
      if (read_id(same, count) != token.id) {
        entry.fail(fmt::format("'{}' has id {} here and another one in the vocabulary", token.text,
                               token.id));
      }
    }
    spec.added.push_back(std::move(token));
  }
  std::sort(spec.added.begin(), spec.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  spec.tokens.resize(count);
}

// Fills spec.tokens; returns the ids by vocabulary key, as merges spell them. byte_level: keys are
// bytes in the byte alphabet; SentencePiece keeps them as they are.
IdByKey read_vocab(const JsonView& vocab, const JsonView& added, bool byte_level,
                   TokenizerSpec& spec) {
  spec.tokens.resize(vocab.size());
  read_added_tokens(added, vocab, spec);
  const std::size_t count = spec.tokens.size();
  std::vector<bool> taken(count);
  std::vector<bool> is_added(count);
  for (const AddedToken& token : spec.added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (taken[id]) added.fail(fmt::format("id {} is given twice", token.id));
    taken[id] = is_added[id] = true;
    spec.tokens[id] = token.text;
  }
  IdByKey ids;
  ids.reserve(count);
  for (const auto& [key, value] : vocab.value().items()) {
    const JsonView entry(value, fmt::format("{}[\"{}\"]", vocab.place(), key));
    const TokenId id = read_id(entry, count);
    const auto slot = static_cast<std::size_t>(id);
    if (is_added[slot]) {
      if (spec.tokens[slot] != key) entry.fail(fmt::format("id {} is given twice", id));
    } else {
      if (taken[slot]) entry.fail(fmt::format("id {} is given twice", id));
      std::optional<std::string> bytes = byte_level ? from_byte_alphabet(key) : key;
      if (!bytes || bytes->empty())
        entry.fail("not a byte-level token: this is another kind of BPE");
      taken[slot] = true;
      spec.tokens[slot] = std::move(*bytes);
    }
    ids.emplace(key, id);
  }
  return ids;
}

TokenId id_of(const JsonView& merge, const IdByKey& ids, const std::string& key) {
  const auto found = ids.find(key);
  if (found == ids.end()) merge.fail(fmt::format("token '{}' is not in the vocabulary", key));
  return found->second;
}

BpeMerge read_merge(const JsonView& merge, const IdByKey& ids) {
  if (merge.value().is_string()) {
    const std::string& text = merge.as_string();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      merge.fail("expected two tokens with one space between them");
    }
    return {id_of(merge, ids, text.substr(0, space)), id_of(merge, ids, text.substr(space + 1))};
  }
  if (merge.expect_array().size() != 2) merge.fail("expected two tokens");
  return {id_of(merge, ids, merge.element(0).as_string()),
          id_of(merge, ids, merge.element(1).as_string())};
}

void read_model(const JsonView& model, const JsonView& added, bool byte_level,
                TokenizerSpec& spec) {
  model.expect_object();
  const JsonView type = model.member("type");
  if (!type.is_null() && type.as_string() != "BPE") {
    type.fail(fmt::format("model {} is not supported: BPE is", type.as_string()));
  }
  for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonView value = model.member(option);
    if (!value.is_null() && !value.as_string().empty()) value.fail("not supported: must be empty");
  }
  const JsonView dropout = model.member("dropout");
  if (!dropout.is_null() && dropout.value() != 0) dropout.fail("not supported: must be null");
  spec.ignore_merges = model.member("ignore_merges").as_bool(false);

  const IdByKey ids = read_vocab(model.member("vocab").expect_object(), added, byte_level, spec);
  const JsonView merges = model.member("merges").expect_array();
  spec.merges.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    spec.merges.push_back(read_merge(merges.element(i), ids));
  }
}

std::optional<TokenId> find_added(const TokenizerSpec& spec, std::string_view text) {
  for (const AddedToken& token : spec.added) {
    if (token.text == text) return token.id;
  }
  return std::nullopt;
}

// The added token that carries "role": role. One token may be both: "bos+eos".
std::optional<TokenId> find_role(const JsonView& added, std::string_view role) {
  std::optional<TokenId> found;
  for (std::size_t i = 0; i < added.size(); ++i) {
    const JsonView value = added.element(i).member("role");
    if (value.is_null() || (value.as_string() != role && value.as_string() != "bos+eos")) continue;
    if (found) value.fail(fmt::format("a second token has the role {}", role));
    found = static_cast<TokenId>(added.element(i).member("id").as_integer());
  }
  return found;
}

// The token that tokenizer_config.json names under `key`, as a string or as {"content": ...}.
std::optional<TokenId> find_configured(const JsonView& config, const char* key,
                                       const TokenizerSpec& spec) {
  const JsonView value = config.member(key);
  if (value.is_null()) return std::nullopt;
  const std::string& text =
      value.value().is_object() ? value.member("content").as_string() : value.as_string();
  const std::optional<TokenId> id = find_added(spec, text);
  if (!id) value.fail(fmt::format("'{}' is not among the added tokens of the tokenizer", text));
  return id;
}

template <std::size_t N>
std::optional<TokenId> find_usual(const TokenizerSpec& spec,
                                  const std::array<std::string_view, N>& names) {
  for (const std::string_view name : names) {
    if (const auto id = find_added(spec, name)) return id;
  }
  return std::nullopt;
}

void read_document_tokens(const fs::path& file, const JsonView& added, TokenizerSpec& spec) {
  std::optional<TokenId> eos = find_role(added, "eos");
  spec.bos = find_role(added, "bos");
  const fs::path config_file = file.parent_path() / "tokenizer_config.json";
  std::error_code error;
  if (!eos && file.filename() == "tokenizer.json" && fs::is_regular_file(config_file, error)) {
    const nlohmann::json config = read_json_object(config_file);
    const JsonView view(config, config_file.string() + ": ");
    eos = find_configured(view, "eos_token", spec);
    spec.bos = find_configured(view, "bos_token", spec);
  } else if (!eos) {
    spec.bos = find_usual(spec, kUsualBos);
  }
  if (!eos) eos = find_usual(spec, kUsualEos);
  core::require(eos.has_value(), "tokenizer",
                "{}: no end-of-document token: give an added token \"role\": \"eos\", or put a "
                "tokenizer_config.json with eos_token beside the file",
                file.string());
  spec.eos = *eos;
}

}  // namespace

TokenizerSpec read_tokenizer_json(const fs::path& file) {
  const nlohmann::json root = read_json_object(file);
  const JsonView view(root, file.string() + ": ");
  const JsonView added = view.member("added_tokens");
  TokenizerSpec spec;
  const bool sentencepiece = is_sentencepiece(view);
  read_model(view.member("model"), added, !sentencepiece, spec);
  if (sentencepiece) {
    spec.sentencepiece = read_sentencepiece(view, spec);
  } else {
    spec.nfc = read_normalizer(view.member("normalizer"));
    spec.pre_tokenizer = read_pre_tokenizer(view.member("pre_tokenizer"));
    check_decoder(view.member("decoder"));
  }
  spec.frame = read_post_processor(view.member("post_processor"), spec.tokens.size());
  read_document_tokens(file, added, spec);
  return spec;
}

}  // namespace unfold::data
