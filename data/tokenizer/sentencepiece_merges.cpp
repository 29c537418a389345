#include "data/tokenizer/sentencepiece_merges.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

namespace unfold::data {

std::vector<BpeMerge> merges_from_scores(const std::vector<std::string>& tokens,
                                         std::span<const float> scores,
                                         const std::vector<bool>& takes_part) {
  std::unordered_map<std::string_view, TokenId> ids;
  std::vector<TokenId> order;
  ids.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!takes_part[id]) continue;
    ids.emplace(tokens[id], static_cast<TokenId>(id));
    order.push_back(static_cast<TokenId>(id));
  }
  // NaN, which compares with nothing, would make the order none: it comes last.
  const auto score = [&](TokenId id) {
    const float value = scores[static_cast<std::size_t>(id)];
    return value == value ? value : -std::numeric_limits<float>::infinity();
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](TokenId a, TokenId b) { return score(a) > score(b); });
  std::vector<BpeMerge> merges;
  for (const TokenId id : order) {
    const std::string_view piece = tokens[static_cast<std::size_t>(id)];
    const std::size_t before = merges.size();
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const auto left = ids.find(piece.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(piece.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second});
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(before), merges.end(),
              [](const BpeMerge& a, const BpeMerge& b) {
                return a.left != b.left ? a.left < b.left : a.right < b.right;
              });
  }
  return merges;
}

}  // namespace unfold::data
