#include "data/tokenizer/vocabulary_tables.h"

#include <fmt/core.h>

#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/sentencepiece_merges.h"

namespace unfold::data {
namespace {

using Kind = PreTokenizerStage::Kind;

constexpr std::size_t kMostTokens = std::size_t{1} << 30;

class Maker {
 public:
  Maker(const VocabularyTables& tables, const std::string& origin)
      : tables_(tables), origin_(origin) {}

  TokenizerSpec make() {
    check_tables();
    read_tokens();
    if (tables_.model == "gpt2") {
      read_merges();
      choose_pre_tokenizer();
    } else {
      read_scores();
    }
    return std::move(spec_);
  }

 private:
  template <typename... Args>
  void require(bool condition, fmt::format_string<Args...> message, Args&&... args) const {
    if (condition) return;
    throw core::UserError(
        "tokenizer",
        fmt::format("{}: {}", origin_, fmt::format(message, std::forward<Args>(args)...)));
  }

  std::int32_t type_of(std::size_t id) const {
    return tables_.types.empty() ? kNormalToken : tables_.types[id];
  }

  void check_tables() {
    const std::size_t count = tables_.tokens.size();
    require(tables_.model == "gpt2" || tables_.model == "llama",
            "tokenizer model {} is not supported: gpt2 and llama are", tables_.model.substr(0, 40));
    require(count > 0 && count < kMostTokens, "a vocabulary of {} tokens", count);
    require(tables_.types.empty() || tables_.types.size() == count, "{} token types for {} tokens",
            tables_.types.size(), count);
    const auto known = [&](const std::optional<TokenId>& id) {
      return !id || (*id >= 0 && static_cast<std::size_t>(*id) < count);
    };
    require(known(tables_.bos) && known(tables_.eos) && known(tables_.unknown),
            "the id of a special token is outside 0..{}", count - 1);
    require(tables_.eos.has_value(), "no end-of-document token (eos) is given");
  }

  // Unused tokens at the end fill up the rows of the embedding.
  std::size_t used_tokens() const {
    std::size_t count = tables_.tokens.size();
    const auto named = [&](const std::optional<TokenId>& id) {
      return id && static_cast<std::size_t>(*id) + 1 == count;
    };
    while (count > 1 && type_of(count - 1) == kUnusedToken && !named(tables_.eos) &&
           !named(tables_.bos) && !named(tables_.unknown)) {
      --count;
    }
    return count;
  }

  void read_tokens() {
    const std::size_t count = used_tokens();
    const bool byte_level = tables_.model == "gpt2";
    const auto is = [](const std::optional<TokenId>& token, std::size_t id) {
      return token && static_cast<std::size_t>(*token) == id;
    };
    spec_.eos = *tables_.eos;
    spec_.bos = tables_.bos;
    if (tables_.add_bos && tables_.bos) spec_.frame.before = {*tables_.bos};
    for (std::size_t id = 0; id < count; ++id) {
      const std::string& text = tables_.tokens[id];
      require(!text.empty(), "token {} is empty", id);
      require(find_invalid_utf8(text) == text.npos, "token {} is not valid UTF-8", id);
      const std::int32_t type = type_of(id);
      const bool special = type == kControlToken || (type == kUnknownToken && !byte_level) ||
                           is(spec_.eos, id) || is(spec_.bos, id);
      if (special || type == kUserDefinedToken) {
        spec_.added.push_back({static_cast<TokenId>(id), text, special});
        spec_.tokens.push_back(text);
      } else if (byte_level) {
        std::optional<std::string> bytes = from_byte_alphabet(text);
        require(bytes.has_value(), "token {} ('{}') is not written in the byte alphabet", id, text);
        spec_.tokens.push_back(std::move(*bytes));
      } else {
        spec_.tokens.push_back(text);
      }
    }
  }

  void read_merges() {
    std::unordered_map<std::string_view, TokenId> ids;
    ids.reserve(spec_.tokens.size());
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      ids.emplace(tables_.tokens[id], static_cast<TokenId>(id));
    }
    const auto find = [&](std::string_view token, std::size_t rank) {
      const auto found = ids.find(token);
      require(found != ids.end(), "merge {} has a token that is not in the vocabulary", rank);
      return found->second;
    };
    spec_.merges.reserve(tables_.merges.size());
    for (std::size_t rank = 0; rank < tables_.merges.size(); ++rank) {
      const std::string_view merge = tables_.merges[rank];
      const std::size_t space = merge.find(' ');
      require(space != merge.npos && merge.find(' ', space + 1) == merge.npos,
              "merge {} is not two tokens with one space between them", rank);
      spec_.merges.push_back(
          {find(merge.substr(0, space), rank), find(merge.substr(space + 1), rank)});
    }
  }

  void choose_pre_tokenizer() {
    const std::string& pre = tables_.pre;
    std::vector<PreTokenizerStage>& stages = spec_.pre_tokenizer;
    const auto split = [&](std::string_view pattern) {
      stages.push_back({Kind::split, std::string(pattern)});
    };
    if (pre == "gpt-2") {
      stages = {{Kind::byte_level, ""}};
    } else if (pre == "smollm") {
      stages = {{Kind::single_digits, ""}, {Kind::byte_level, ""}};
    } else if (pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3") {
      split(kLlama3Pattern);
      spec_.ignore_merges = true;
    } else if (pre == "qwen2") {
      split(kQwen2Pattern);
      spec_.nfc = true;
    } else if (pre == "default") {
      // Four cuts, each within the words of the one before.
      split(R"([\p{P}\$\+<=>\^~\|]+)");
      split(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))");
      split(R"(\p{N}+)");
      split("[0-9][0-9][0-9]");
    } else {
      require(!pre.empty(),
              "the pre-tokenizer is not named (tokenizer.ggml.pre): without it text "
              "would be cut into other tokens than the model knows");
      require(false,
              "pre-tokenizer {} is not supported: gpt-2, llama-bpe, qwen2, smollm and "
              "default are",
              pre.substr(0, 40));
    }
    if (stages.back().kind != Kind::byte_level) stages.push_back({Kind::bytes_only, ""});
  }

  void read_scores() {
    require(tables_.scores.size() == tables_.tokens.size(), "{} scores for {} tokens",
            tables_.scores.size(), tables_.tokens.size());
    std::vector<bool> merges(spec_.tokens.size(), true);
    SentencePieceSpec options;
    options.prefix = tables_.add_space_prefix ? SentencePieceSpec::Prefix::every
                                              : SentencePieceSpec::Prefix::none;
    options.strip_space = tables_.add_space_prefix;
    options.unknown = tables_.unknown;
    for (std::size_t id = 0; id < merges.size(); ++id) {
      const std::int32_t type = type_of(id);
      if (type == kUnknownToken && !options.unknown) options.unknown = static_cast<TokenId>(id);
      merges[id] = type != kByteToken;
    }
    for (const AddedToken& token : spec_.added) merges[static_cast<std::size_t>(token.id)] = false;
    if (options.unknown && static_cast<std::size_t>(*options.unknown) >= merges.size()) {
      options.unknown.reset();
    }
    for (std::size_t id = 0; id < merges.size(); ++id) {
      require(!merges[id] || spec_.tokens[id].size() <= kLongestPiece,
              "token {} has {} bytes: too long for a piece", id, spec_.tokens[id].size());
    }
    spec_.merges = merges_from_scores(spec_.tokens, tables_.scores, merges);
    spec_.sentencepiece = options;
  }

  const VocabularyTables& tables_;
  const std::string& origin_;
  TokenizerSpec spec_;
};

}  // namespace

TokenizerSpec tokenizer_from_tables(const VocabularyTables& tables, const std::string& origin) {
  return Maker(tables, origin).make();
}

}  // namespace unfold::data
