#include "data/tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/tokenizer_json.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "tokenizer";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Bytes of the character (valid UTF-8) that begins with this one.
std::size_t character_size(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::string with_spaces(std::string_view token) {
  std::string text;
  for (std::size_t at = 0; at < token.size();) {
    const std::size_t mark = std::min(token.find(kSpaceMark, at), token.size());
    text.append(token.substr(at, mark - at));
    if (mark < token.size()) text.push_back(' ');
    at = mark + kSpaceMark.size();
  }
  return text;
}

// The first space mark that stands behind another character, from `from` on; npos: none.
std::size_t find_word_start(std::string_view text, std::size_t from) {
  std::size_t mark = text.find(kSpaceMark, from);
  while (mark != text.npos) {
    if (mark > from && !text.substr(0, mark).ends_with(kSpaceMark)) return mark;
    mark = text.find(kSpaceMark, mark + kSpaceMark.size());
  }
  return text.npos;
}

}  // namespace

int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  const int high = hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

SentencePieceTokenizer::SentencePieceTokenizer(TokenizerSpec spec)
    : added_(spec.added),
      finder_(spec.added),
      model_(spec.tokens, mark_added(spec), spec.merges, false),
      options_(spec.sentencepiece.value_or(SentencePieceSpec{})),
      eos_(spec.eos),
      bos_(spec.bos),
      frame_(spec.frame),
      special_(spec.tokens.size()),
      fingerprint_(fingerprint_of(spec)) {
  const std::size_t count = spec.tokens.size();
  const auto known = [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < count; };
  core::check(spec.sentencepiece && known(eos_) && (!bos_ || known(*bos_)) &&
                  (!options_.unknown || known(*options_.unknown)),
              kTag, "eos, bos or unknown token out of range");
  const std::vector<bool> is_added = mark_added(spec);
  for (const AddedToken& token : added_) {
    special_[static_cast<std::size_t>(token.id)] = token.special;
  }
  byte_tokens_.fill(-1);
  ascii_tokens_.fill(-1);
  cuts_words_ = model_.find_token(kSpaceMark).has_value();
  bytes_.reserve(count);
  for (std::size_t id = 0; id < count; ++id) {
    const std::string& token = spec.tokens[id];
    if (is_added[id]) {
      bytes_.push_back(token);
      continue;
    }
    if (const int byte = byte_of_token(token); byte >= 0) {
      byte_tokens_[static_cast<std::size_t>(byte)] = static_cast<TokenId>(id);
      bytes_.emplace_back(1, static_cast<char>(byte));
      continue;
    }
    if (token.size() == 1 && static_cast<unsigned char>(token[0]) < 128) {
      ascii_tokens_[static_cast<unsigned char>(token[0])] = static_cast<TokenId>(id);
    }
    if (find_word_start(token, 0) != token.npos) cuts_words_ = false;
    bytes_.push_back(with_spaces(token));
  }
}

std::vector<TokenId> SentencePieceTokenizer::encode(std::string_view text) const {
  return encode(text, false);
}

std::vector<TokenId> SentencePieceTokenizer::encode_plain(std::string_view text) const {
  return encode(text, true);
}

std::vector<TokenId> SentencePieceTokenizer::encode(std::string_view text,
                                                    bool skip_special) const {
  const std::size_t bad = find_invalid_utf8(text);
  core::require(bad == std::string_view::npos, kTag,
                "the text is not valid UTF-8 at byte {}: convert it to UTF-8", bad);
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3);
  const WorkspacePool<Workspace>::Lease lease(pool_);
  for (const AddedPiece& piece : finder_.split(text, skip_special)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      encode_stretch(piece.text, piece.text.data() == text.data(), *lease, ids);
    }
  }
  return ids;
}

void SentencePieceTokenizer::encode_stretch(std::string_view text, bool first, Workspace& workspace,
                                            std::vector<TokenId>& ids) const {
  using Prefix = SentencePieceSpec::Prefix;
  if (text.empty()) return;
  const bool spaced = text[0] == ' ' || text.starts_with(kSpaceMark);
  const bool prefixed = options_.prefix == Prefix::every ||
                        (options_.prefix == Prefix::unless_space && !spaced) ||
                        (options_.prefix == Prefix::first_unless_space && first && !spaced);
  std::string& marked = workspace.text;
  marked.assign(prefixed ? kSpaceMark : std::string_view());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    marked.append(text.substr(at, space - at));
    if (space < text.size()) marked.append(kSpaceMark);
    at = space + 1;
  }
  const std::string_view whole = marked;
  if (!cuts_words_) return encode_word(whole, workspace, ids);
  for (std::size_t begin = 0; begin < whole.size();) {
    const std::size_t end = std::min(find_word_start(whole, begin), whole.size());
    const std::string_view word = whole.substr(begin, end - begin);
    begin = end;
    if (word.size() > WordCache::kMaxWordBytes) {
      encode_word(word, workspace, ids);
      continue;
    }
    const std::uint64_t hash = WordCache::hash(word);
    if (const auto known = workspace.cache.find(word, hash)) {
      ids.insert(ids.end(), known->begin(), known->end());
      continue;
    }
    const std::size_t before = ids.size();
    encode_word(word, workspace, ids);
    workspace.cache.insert(word, hash, std::span(ids).subspan(before));
  }
}

void SentencePieceTokenizer::encode_word(std::string_view word, Workspace& workspace,
                                         std::vector<TokenId>& ids) const {
  core::require(word.size() < ~std::uint32_t{0}, kTag, "a text of {} bytes is too long to encode",
                word.size());
  std::vector<TokenId>& symbols = workspace.bpe.symbols;
  symbols.clear();
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t size = character_size(word[at]);
    append_symbols(word.substr(at, size), symbols);
    at += size;
  }
  model_.merge(workspace.bpe, ids);
}

void SentencePieceTokenizer::append_symbols(std::string_view character,
                                            std::vector<TokenId>& symbols) const {
  if (character.size() == 1) {
    const TokenId id = ascii_tokens_[static_cast<unsigned char>(character[0])];
    if (id >= 0) return symbols.push_back(id);
  } else if (const auto id = model_.find_token(character)) {
    return symbols.push_back(*id);
  }
  const auto byte_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  if (std::all_of(character.begin(), character.end(), [&](char c) { return byte_token(c) >= 0; })) {
    for (const char c : character) symbols.push_back(byte_token(c));
    return;
  }
  core::require(options_.unknown.has_value(), kTag,
                "the vocabulary has no token for '{}', its bytes, or what is unknown: use another "
                "tokenizer",
                character);
  const bool in_run = !symbols.empty() && symbols.back() == *options_.unknown;
  if (!(options_.fuse_unknown && in_run)) symbols.push_back(*options_.unknown);
}

std::string_view SentencePieceTokenizer::token_bytes(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), kTag, "token id {} of {}", id, vocab_size());
  return bytes_[static_cast<std::size_t>(id)];
}

bool SentencePieceTokenizer::is_special(TokenId id) const {
  core::check(id >= 0 && id < vocab_size(), kTag, "token id {} of {}", id, vocab_size());
  return special_[static_cast<std::size_t>(id)];
}

std::string SentencePieceTokenizer::decode(std::span<const TokenId> ids, bool with_special) const {
  std::string text = Tokenizer::decode(ids, with_special);
  if (options_.strip_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

void SentencePieceTokenizer::save(const std::filesystem::path& file) const {
  TokenizerSpec spec;
  spec.tokens = model_.tokens();
  spec.merges = model_.merges();
  spec.added = added_;
  spec.eos = eos_;
  spec.bos = bos_;
  spec.frame = frame_;
  spec.sentencepiece = options_;
  write_tokenizer_json(spec, file);
}

}  // namespace unfold::data
