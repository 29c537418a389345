#include "data/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/error.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "tokenizer";
constexpr std::uint64_t kNoPair = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
// Up to here scanning all ranks for the lowest beats a heap.
constexpr std::size_t kShortWord = 48;

std::uint64_t pair_of(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

// Order of a heap whose top is the lowest rank, then the leftmost position.
bool comes_later(const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

BpeModel::BpeModel(std::vector<std::string> tokens, const std::vector<bool>& is_added,
                   std::vector<BpeMerge> merges, bool ignore_merges)
    : tokens_(std::move(tokens)), merges_(std::move(merges)), ignore_merges_(ignore_merges) {
  core::check(is_added.size() == tokens_.size(), kTag, "{} marks for {} tokens", is_added.size(),
              tokens_.size());
  byte_tokens_.assign(256, -1);
  ids_.reserve(tokens_.size());
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (is_added[id]) continue;
    const std::string& bytes = tokens_[id];
    const auto [entry, fresh] = ids_.emplace(bytes, static_cast<TokenId>(id));
    core::require(fresh, kTag, "ids {} and {} stand for the same bytes: keep one", entry->second,
                  id);
    if (bytes.size() == 1) {
      byte_tokens_[static_cast<unsigned char>(bytes[0])] = static_cast<TokenId>(id);
    }
  }
  // Added tokens that are ordinary ones too: a word added to a vocabulary that had it.
  std::unordered_map<std::string_view, TokenId> added;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (is_added[id]) added.emplace(tokens_[id], static_cast<TokenId>(id));
  }
  for (int byte = '!'; byte <= '~'; ++byte) {  // those that stand for themselves in the alphabet
    TokenId& token = byte_tokens_[static_cast<std::size_t>(byte)];
    const auto same = added.find(std::string(1, static_cast<char>(byte)));
    if (token < 0 && same != added.end()) token = same->second;
  }
  // At most half full, so that a miss ends soon.
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(merges_.size() * 2, 16));
  slots_.assign(slots, Slot{kNoPair, 0, 0});
  shift_ = 64 - std::countr_zero(slots);
  const auto count = static_cast<std::int64_t>(tokens_.size());
  for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
    const auto [left, right] = merges_[rank];
    core::require(left >= 0 && left < count && right >= 0 && right < count, kTag,
                  "merge {} refers to an unknown token", rank);
    const std::string both =
        tokens_[static_cast<std::size_t>(left)] + tokens_[static_cast<std::size_t>(right)];
    auto merged = ids_.find(both);
    if (merged == ids_.end()) {
      if (const auto same = added.find(both); same != added.end()) {
        merged = ids_.emplace(same->first, same->second).first;
      }
    }
    core::require(merged != ids_.end(), kTag,
                  "merge {} makes a token that is not in the vocabulary", rank);
    core::require(find(left, right) == nullptr, kTag, "merge {} is listed twice", rank);
    insert(left, right, static_cast<std::uint32_t>(rank), merged->second);
  }
}

const BpeModel::Slot* BpeModel::find(TokenId left, TokenId right) const {
  const std::uint64_t pair = pair_of(left, right);
  // Fibonacci hashing: the top bits of the product with 2^64 / golden ratio.
  for (std::size_t at = pair * 0x9E3779B97F4A7C15ULL >> shift_;;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].pair == pair) return &slots_[at];
    if (slots_[at].pair == kNoPair) return nullptr;
  }
}

void BpeModel::insert(TokenId left, TokenId right, std::uint32_t rank, TokenId merged) {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t at = pair * 0x9E3779B97F4A7C15ULL >> shift_;
  while (slots_[at].pair != kNoPair) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {pair, rank, merged};
}

std::uint32_t BpeModel::rank_of(TokenId left, TokenId right) const {
  const Slot* slot = find(left, right);
  return slot ? slot->rank : kNoRank;
}

void BpeModel::encode_word(std::string_view word, BpeScratch& scratch,
                           std::vector<TokenId>& ids) const {
  core::require(word.size() < kNone, kTag, "a word of {} bytes is too long to encode", word.size());
  if (ignore_merges_) {
    if (const auto whole = ids_.find(word); whole != ids_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  scratch.symbols.clear();
  for (const char c : word) {
    const TokenId token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token >= 0) scratch.symbols.push_back(token);
  }
  merge(scratch, ids);
}

void BpeModel::merge(BpeScratch& scratch, std::vector<TokenId>& ids) const {
  if (scratch.symbols.size() <= kShortWord) {
    merge_short(scratch, ids);
  } else {
    merge_long(scratch, ids);
  }
}

std::optional<TokenId> BpeModel::find_token(std::string_view bytes) const {
  const auto found = ids_.find(bytes);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

void BpeModel::merge_short(BpeScratch& scratch, std::vector<TokenId>& ids) const {
  std::vector<TokenId>& symbols = scratch.symbols;
  std::vector<std::uint32_t>& ranks = scratch.ranks;  // of the pair (i, i + 1); kNoRank at the end
  std::size_t count = symbols.size();
  ranks.assign(count, kNoRank);
  for (std::size_t i = 0; i + 1 < count; ++i) ranks[i] = rank_of(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoRank) break;
    symbols[best] = find(symbols[best], symbols[best + 1])->merged;
    const auto at = static_cast<std::ptrdiff_t>(best);
    const auto end = static_cast<std::ptrdiff_t>(count);
    std::copy(symbols.begin() + at + 2, symbols.begin() + end, symbols.begin() + at + 1);
    std::copy(ranks.begin() + at + 1, ranks.begin() + end, ranks.begin() + at);
    --count;
    ranks[best] = best + 1 < count ? rank_of(symbols[best], symbols[best + 1]) : kNoRank;
    if (best > 0) ranks[best - 1] = rank_of(symbols[best - 1], symbols[best]);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void BpeModel::merge_long(BpeScratch& scratch, std::vector<TokenId>& ids) const {
  std::vector<TokenId>& symbols = scratch.symbols;  // -1: swallowed by the symbol to its left
  std::vector<std::uint32_t>& next = scratch.next;
  std::vector<std::uint32_t>& previous = scratch.previous;
  std::vector<BpeScratch::Candidate>& heap = scratch.heap;
  const auto count = static_cast<std::uint32_t>(symbols.size());
  next.resize(count);
  previous.resize(count);
  heap.clear();
  const auto propose = [&](std::uint32_t position) {
    const TokenId left = symbols[position];
    const TokenId right = symbols[next[position]];
    const std::uint32_t rank = rank_of(left, right);
    if (rank == kNoRank) return;
    heap.push_back({rank, position, left, right});
    std::push_heap(heap.begin(), heap.end(), comes_later);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  for (std::uint32_t i = 0; i + 1 < count; ++i) propose(i);
  while (!heap.empty()) {
    const BpeScratch::Candidate top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), comes_later);
    heap.pop_back();
    // A candidate is stale when a later merge changed one of its two symbols.
    const std::uint32_t right = next[top.position];
    if (symbols[top.position] != top.left || right == kNone || symbols[right] != top.right)
      continue;
    symbols[top.position] = find(top.left, top.right)->merged;
    symbols[right] = -1;
    next[top.position] = next[right];
    if (next[right] != kNone) {
      previous[next[right]] = top.position;
      propose(top.position);
    }
    if (previous[top.position] != kNone) propose(previous[top.position]);
  }
  for (std::uint32_t i = 0; i != kNone && i < count; i = next[i]) ids.push_back(symbols[i]);
}

}  // namespace unfold::data
