// A caching allocator: memory is taken from a slow source in segments, and pieces of them are
// handed out. Knows no device; core/cuda uses it for device memory, whose own allocation stops the
// device.
//
// - Sizes are rounded up to 512 bytes, so every block is 512-byte aligned when segments are.
// - Requests of at most 1 MiB are cut from segments of 2 MiB, so that small blocks do not break up
//   large ones; larger requests from segments of 32 MiB, or of their own size in steps of 2 MiB.
// - The smallest free block that is large enough is taken (the lowest address among equals), and
//   cut where the rest is worth keeping. A block given back merges with its free neighbours.
// - When the source has nothing left, unused segments go back to it, and it is asked once more.
//
// A training step asks for the same sizes in the same order again and again: after the first steps
// the source is not asked any more. Blocks are handed out again at once: a caller whose device
// works behind the host must order its work, as one stream does. Threads may share a cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace unfold::core {

class BlockCache {
 public:
  struct Source {
    // A segment, or nullptr when there is no memory left; may throw for other failures.
    std::function<void*(std::size_t bytes)> reserve;
    std::function<void(void* segment)> give_back;
  };

  struct Stats {
    std::int64_t in_use = 0;    // bytes of blocks handed out, as rounded
    std::int64_t cached = 0;    // bytes of segments that are in no block
    std::int64_t largest = 0;   // bytes of the largest free block
    std::int64_t segments = 0;  // segments held
    std::int64_t reserved = 0;  // segments ever taken from the source
  };

  explicit BlockCache(Source source) : source_(std::move(source)) {}
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // nullptr when out of memory. 0 bytes is a block, too.
  void* allocate(std::size_t bytes);
  // A block of allocate(); nullptr is none. Unknown pointers are a bug: ends the program.
  void release(void* pointer) noexcept;
  // Gives unused segments back to the source.
  void trim();
  Stats stats() const;

 private:
  struct Block {
    std::size_t bytes = 0;
    bool small = false;  // from a segment of small blocks
    bool free = true;
    bool first = false;      // begins its segment
    void* before = nullptr;  // neighbours in the segment
    void* after = nullptr;
  };
  using FreeList = std::set<std::pair<std::size_t, void*>>;  // by size, then address

  FreeList& free_list(const Block& block) { return free_[block.small ? 0 : 1]; }
  void* take_free(std::size_t bytes, bool small);
  void* take_segment(std::size_t bytes, bool small);
  void* cut(void* pointer, std::size_t bytes);
  void trim_locked();

  Source source_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> blocks_;
  FreeList free_[2];
  Stats stats_;
};

}  // namespace unfold::core
