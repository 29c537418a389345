#include "data/tokenizer/word_cache.h"

#include <functional>

namespace unfold::data {
namespace {

constexpr std::size_t kSlots = WordCache::kMaxWords * 2;
constexpr std::size_t kMask = kSlots - 1;
static_assert((kSlots & kMask) == 0, "the table is a power of two");

}  // namespace

WordCache::WordCache() : slots_(kSlots) {}

std::uint64_t WordCache::hash(std::string_view word) {
  return std::hash<std::string_view>()(word);
}

std::optional<std::span<const TokenId>> WordCache::find(std::string_view word,
                                                        std::uint64_t hash) const {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t at = hash & kMask; slots_[at].word_size != 0; at = (at + 1) & kMask) {
    const Slot& slot = slots_[at];
    if (slot.tag == tag && word_of(slot) == word) {
      return std::span(ids_).subspan(slot.ids_begin, slot.ids_size);
    }
  }
  return std::nullopt;
}

void WordCache::insert(std::string_view word, std::uint64_t hash, std::span<const TokenId> ids) {
  if (count_ == kMaxWords) {
    slots_.assign(kSlots, Slot{});
    words_.clear();
    ids_.clear();
    count_ = 0;
  }
  std::size_t at = hash & kMask;
  while (slots_[at].word_size != 0) at = (at + 1) & kMask;
  slots_[at] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(words_.size()),
                static_cast<std::uint32_t>(ids_.size()), static_cast<std::uint16_t>(word.size()),
                static_cast<std::uint16_t>(ids.size())};
  words_.append(word);
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ++count_;
}

}  // namespace unfold::data
