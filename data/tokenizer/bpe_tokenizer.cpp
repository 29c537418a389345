#include "data/tokenizer/bpe_tokenizer.h"

#include <utility>

#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/word_cache.h"

namespace unfold::data {
namespace {

// The added tokens that are looked for before normalisation, or those behind it.
std::vector<AddedToken> tokens_of(const TokenizerSpec& spec, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : spec.added) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    if (normalized && spec.nfc) tokens.back().text = to_nfc(token.text);
  }
  return tokens;
}

}  // namespace

struct BpeTokenizer::Workspace {
  RegexScratch regex;
  BpeScratch bpe;
  WordCache cache;
};

BpeTokenizer::BpeTokenizer(TokenizerSpec spec)
    : added_(spec.added),
      raw_finder_(tokens_of(spec, false)),
      normalized_finder_(tokens_of(spec, true)),
      pre_tokenizer_(spec.pre_tokenizer),
      model_(spec.tokens, mark_added(spec), spec.merges, spec.ignore_merges),
      nfc_(spec.nfc),
      eos_(spec.eos),
      bos_(spec.bos),
      frame_(spec.frame),
      special_(spec.tokens.size()),
      fingerprint_(fingerprint_of(spec)) {
  const auto known = [&](TokenId id) { return id >= 0 && id < vocab_size(); };
  core::check(known(eos_) && (!bos_ || known(*bos_)), "tokenizer", "eos or bos out of range");
  for (const std::vector<TokenId>& side : {frame_.before, frame_.behind}) {
    for (const TokenId id : side) core::check(known(id), "tokenizer", "frame id {}", id);
  }
  for (const AddedToken& token : added_) {
    special_[static_cast<std::size_t>(token.id)] = token.special;
  }
}

BpeTokenizer::~BpeTokenizer() = default;

std::int64_t BpeTokenizer::vocab_size() const {
  return static_cast<std::int64_t>(model_.tokens().size());
}

std::vector<TokenId> BpeTokenizer::encode(std::string_view text) const {
  return encode(text, false);
}

std::vector<TokenId> BpeTokenizer::encode_plain(std::string_view text) const {
  return encode(text, true);
}

std::vector<TokenId> BpeTokenizer::encode(std::string_view text, bool skip_special) const {
  const std::size_t bad = find_invalid_utf8(text);
  core::require(bad == std::string_view::npos, "tokenizer",
                "the text is not valid UTF-8 at byte {}: convert it to UTF-8", bad);
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3);
  const WorkspacePool<Workspace>::Lease lease(pool_);
  for (const AddedPiece& raw : raw_finder_.split(text, skip_special)) {
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    const bool changes = nfc_ && !is_ascii(raw.text);
    const std::string composed = changes ? to_nfc(raw.text) : std::string();
    for (const AddedPiece& piece :
         normalized_finder_.split(changes ? composed : raw.text, skip_special)) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_words(piece.text, *lease, ids);
      }
    }
  }
  return ids;
}

void BpeTokenizer::encode_words(std::string_view text, Workspace& workspace,
                                std::vector<TokenId>& ids) const {
  pre_tokenizer_.split(text, workspace.regex, [&](std::string_view word) {
    if (word.size() > WordCache::kMaxWordBytes) {
      model_.encode_word(word, workspace.bpe, ids);
      return;
    }
    const std::uint64_t hash = WordCache::hash(word);
    if (const auto known = workspace.cache.find(word, hash)) {
      ids.insert(ids.end(), known->begin(), known->end());
      return;
    }
    const std::size_t before = ids.size();
    model_.encode_word(word, workspace.bpe, ids);
    workspace.cache.insert(word, hash, std::span(ids).subspan(before));
  });
}

std::string_view BpeTokenizer::token_bytes(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), "tokenizer", "token id {} of {}", id, vocab_size());
  return model_.tokens()[static_cast<std::size_t>(id)];
}

bool BpeTokenizer::is_special(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), "tokenizer", "token id {} of {}", id, vocab_size());
  return special_[static_cast<std::size_t>(id)];
}

TokenizerSpec BpeTokenizer::spec() const {
  return {model_.tokens(),
          model_.merges(),
          model_.ignore_merges(),
          added_,
          pre_tokenizer_.stages(),
          nfc_,
          eos_,
          bos_,
          std::nullopt,
          frame_};
}

void BpeTokenizer::save(const std::filesystem::path& file) const {
  write_tokenizer_json(spec(), file);
}

}  // namespace unfold::data
