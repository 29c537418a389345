#include "data/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/error.h"
#include "data/tokenizer/characters.h"

namespace unfold::data {

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) : tokens_(tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const AddedToken& token = tokens[i];
    core::check(!token.text.empty(), "tokenizer", "added token {} has no text", token.id);
    std::vector<Entry>& entries = by_first_byte_[static_cast<unsigned char>(token.text[0])];
    if (entries.empty()) first_bytes_.push_back(token.text[0]);
    entries.push_back({token.text, token.id, i});
  }
  for (std::vector<Entry>& entries : by_first_byte_) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.text.size() > b.text.size(); });
  }
}

std::optional<AddedTokenFinder::Hit> AddedTokenFinder::find(std::string_view text,
                                                            std::size_t from) const {
  const std::optional<Found> found = find_entry(text, from);
  if (!found) return std::nullopt;
  return Hit{found->begin, found->entry->text.size(), found->entry->id};
}

std::optional<AddedTokenFinder::Found> AddedTokenFinder::find_entry(std::string_view text,
                                                                    std::size_t from) const {
  // Nearly always all added tokens begin with the same byte, and a search for one byte is fast.
  const auto next = [&](std::size_t at) {
    return first_bytes_.size() == 1 ? text.find(first_bytes_[0], at)
                                    : text.find_first_of(first_bytes_, at);
  };
  for (std::size_t at = next(from); at != std::string_view::npos; at = next(at + 1)) {
    for (const Entry& entry : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (text.substr(at).starts_with(entry.text)) return Found{at, &entry};
    }
  }
  return std::nullopt;
}

// Follows AddedVocabulary::find_matches of the Python library: a match that is passed over, and
// white space that goes with a match, do not change where the search goes on.
std::vector<AddedPiece> AddedTokenFinder::split(std::string_view text, bool skip_special) const {
  std::vector<AddedPiece> pieces;
  std::size_t done = 0;
  std::size_t from = 0;
  while (const auto found = find_entry(text, from)) {
    const AddedToken& token = tokens_[found->entry->token];
    std::size_t begin = found->begin;
    std::size_t end = from = begin + found->entry->text.size();
    if (skip_special && token.special) continue;
    if (token.single_word && (ends_with_word_character(text.substr(0, begin)) ||
                              begins_with_word_character(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = std::max(begin - trailing_space(text.substr(0, begin)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    if (begin > done) pieces.push_back({text.substr(done, begin - done)});
    pieces.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({text.substr(done)});
  return pieces;
}

}  // namespace unfold::data
