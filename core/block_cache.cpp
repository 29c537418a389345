#include "core/block_cache.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::size_t kRounding = 512;
constexpr std::size_t kSmall = std::size_t{1}
                               << 20;  // the largest request served from small segments
constexpr std::size_t kSmallSegment = std::size_t{2} << 20;
constexpr std::size_t kLargeSegment = std::size_t{32} << 20;
constexpr std::size_t kSegmentStep = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes, std::size_t step) {
  return (bytes + step - 1) / step * step;
}

// A request near the largest number would round to 0.
constexpr std::size_t kLargest = std::size_t{1} << 60;

std::size_t segment_size(std::size_t bytes, bool small) {
  if (small) return kSmallSegment;
  return bytes <= kLargeSegment / 2 ? kLargeSegment : round_up(bytes, kSegmentStep);
}

// What a rest must have to be worth a block of its own: a large block keeps a short rest, which
// would only be handed to small requests if there were no segments for those.
std::size_t least_rest(bool small) {
  return small ? kRounding : kSmall;
}

void* offset(void* pointer, std::size_t bytes) {
  return static_cast<char*>(pointer) + bytes;
}

}  // namespace

void* BlockCache::allocate(std::size_t bytes) {
  if (bytes > kLargest) return nullptr;
  const std::size_t size = std::max(kRounding, round_up(bytes, kRounding));
  const bool small = size <= kSmall;
  const std::lock_guard lock(mutex_);
  void* pointer = take_free(size, small);
  if (pointer == nullptr) pointer = take_segment(size, small);
  if (pointer == nullptr) {
    trim_locked();
    pointer = take_segment(size, small);
  }
  if (pointer == nullptr) return nullptr;
  pointer = cut(pointer, size);
  const auto taken = static_cast<std::int64_t>(blocks_.at(pointer).bytes);
  stats_.in_use += taken;
  stats_.cached -= taken;
  return pointer;
}

// The best free block, taken off its list.
void* BlockCache::take_free(std::size_t bytes, bool small) {
  FreeList& list = free_[small ? 0 : 1];
  const auto found = list.lower_bound({bytes, nullptr});
  if (found == list.end()) return nullptr;
  void* const pointer = found->second;
  list.erase(found);
  return pointer;
}

// A new segment as one block.
void* BlockCache::take_segment(std::size_t bytes, bool small) {
  std::size_t size = segment_size(bytes, small);
  void* segment = source_.reserve(size);
  if (segment == nullptr && size > bytes) {  // the last memory there is need not be a full segment
    size = bytes;
    segment = source_.reserve(size);
  }
  if (segment == nullptr) return nullptr;
  Block block;
  block.bytes = size;
  block.small = small;
  block.first = true;
  blocks_.emplace(segment, block);
  stats_.cached += static_cast<std::int64_t>(size);
  stats_.segments += 1;
  stats_.reserved += 1;
  return segment;
}

// Marks a block that is on no list as used; its rest becomes a free block.
void* BlockCache::cut(void* pointer, std::size_t bytes) {
  Block& block = blocks_.at(pointer);
  block.free = false;
  const std::size_t rest = block.bytes - bytes;
  if (rest < least_rest(block.small)) return pointer;
  void* const next = offset(pointer, bytes);
  Block second;
  second.bytes = rest;
  second.small = block.small;
  second.before = pointer;
  second.after = block.after;
  block.bytes = bytes;
  block.after = next;
  if (second.after != nullptr) blocks_.at(second.after).before = next;
  free_list(second).insert({rest, next});
  blocks_.emplace(next, second);  // may rehash: `block` is not used any more
  return pointer;
}

void BlockCache::release(void* pointer) noexcept {
  if (pointer == nullptr) return;
  const std::lock_guard lock(mutex_);
  Block* block = &blocks_.at(pointer);
  const auto bytes = static_cast<std::int64_t>(block->bytes);
  stats_.in_use -= bytes;
  stats_.cached += bytes;
  block->free = true;
  if (block->after != nullptr) {
    const auto after = blocks_.find(block->after);
    if (after->second.free) {
      free_list(after->second).erase({after->second.bytes, after->first});
      block->bytes += after->second.bytes;
      block->after = after->second.after;
      if (block->after != nullptr) blocks_.at(block->after).before = pointer;
      blocks_.erase(after);
    }
  }
  if (block->before != nullptr) {
    const auto before = blocks_.find(block->before);
    if (before->second.free) {
      free_list(before->second).erase({before->second.bytes, before->first});
      before->second.bytes += block->bytes;
      before->second.after = block->after;
      if (block->after != nullptr) blocks_.at(block->after).before = before->first;
      void* const merged = before->first;
      blocks_.erase(pointer);
      pointer = merged;
      block = &blocks_.at(merged);
    }
  }
  free_list(*block).insert({block->bytes, pointer});
}

void BlockCache::trim() {
  const std::lock_guard lock(mutex_);
  trim_locked();
}

void BlockCache::trim_locked() {
  for (FreeList& list : free_) {
    for (auto at = list.begin(); at != list.end();) {
      const Block& block = blocks_.at(at->second);
      if (!block.first || block.after != nullptr) {
        ++at;
        continue;
      }
      stats_.cached -= static_cast<std::int64_t>(block.bytes);
      stats_.segments -= 1;
      void* const segment = at->second;
      blocks_.erase(segment);
      at = list.erase(at);
      source_.give_back(segment);
    }
  }
}

BlockCache::Stats BlockCache::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  for (const FreeList& list : free_) {
    if (!list.empty()) {
      stats.largest = std::max(stats.largest, static_cast<std::int64_t>(list.rbegin()->first));
    }
  }
  return stats;
}

}  // namespace unfold::core
