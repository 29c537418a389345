#include "data/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::data {

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    core::check(!token.text.empty(), "tokenizer", "added token {} has no text", token.id);
    std::vector<Entry>& entries = by_first_byte_[static_cast<unsigned char>(token.text[0])];
    if (entries.empty()) first_bytes_.push_back(token.text[0]);
    entries.push_back({token.text, token.id});
  }
  for (std::vector<Entry>& entries : by_first_byte_) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.text.size() > b.text.size(); });
  }
}

std::optional<AddedTokenFinder::Hit> AddedTokenFinder::find(std::string_view text,
                                                            std::size_t from) const {
  // Nearly always all added tokens begin with the same byte, and a search for one byte is fast.
  const auto next = [&](std::size_t at) {
    return first_bytes_.size() == 1 ? text.find(first_bytes_[0], at)
                                    : text.find_first_of(first_bytes_, at);
  };
  for (std::size_t at = next(from); at != std::string_view::npos; at = next(at + 1)) {
    for (const Entry& entry : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (text.substr(at).starts_with(entry.text)) return Hit{at, entry.text.size(), entry.id};
    }
  }
  return std::nullopt;
}

}  // namespace unfold::data
