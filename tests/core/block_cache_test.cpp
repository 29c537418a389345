// The caching allocator on a source that is a counter: no device needed.
#include "core/block_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

#include "core/random.h"

namespace unfold::core {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * kKiB;

// Addresses out of nowhere, up to a limit; segments lie apart, so that none merge by accident.
class FakeDevice {
 public:
  explicit FakeDevice(std::size_t limit) : limit_(limit) {}

  BlockCache::Source source() {
    return {[this](std::size_t bytes) -> void* {
              ++asked;
              if (used + bytes > limit_) return nullptr;
              used += bytes;
              next_ += 4096;
              void* const segment = reinterpret_cast<void*>(next_);
              next_ += bytes;
              segments[segment] = bytes;
              return segment;
            },
            [this](void* segment) {
              used -= segments.at(segment);
              segments.erase(segment);
            }};
  }

  std::size_t used = 0;
  int asked = 0;
  std::map<void*, std::size_t> segments;

 private:
  std::size_t limit_;
  std::uintptr_t next_ = std::uintptr_t{1} << 40;
};

TEST(BlockCache, ABlockGivenBackIsHandedOutAgain) {
  FakeDevice device(100 * kMiB);
  BlockCache cache(device.source());
  void* const first = cache.allocate(5 * kMiB);
  cache.release(first);
  EXPECT_EQ(cache.allocate(5 * kMiB), first);
  cache.release(first);
  EXPECT_EQ(cache.allocate(3 * kMiB), first);  // a smaller one from its beginning
  EXPECT_EQ(device.asked, 1);
}

TEST(BlockCache, BlocksAreAlignedAndApart) {
  FakeDevice device(100 * kMiB);
  BlockCache cache(device.source());
  const auto address = [](void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  void* const empty = cache.allocate(0);
  void* const one = cache.allocate(1);
  void* const more = cache.allocate(513);
  void* const last = cache.allocate(512);
  EXPECT_NE(empty, nullptr);
  EXPECT_EQ(address(one) - address(empty), 512u);
  EXPECT_EQ(address(more) - address(one), 512u);
  EXPECT_EQ(address(last) - address(more), 1024u);
  EXPECT_EQ(device.asked, 1);
}

TEST(BlockCache, NeighboursMerge) {
  FakeDevice device(32 * kMiB);
  BlockCache cache(device.source());
  std::vector<void*> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(cache.allocate(4 * kMiB));
  for (const int i : {1, 3, 2}) cache.release(blocks[static_cast<std::size_t>(i)]);
  EXPECT_EQ(cache.stats().largest, static_cast<std::int64_t>(12 * kMiB));
  EXPECT_EQ(cache.allocate(12 * kMiB), blocks[1]);
  EXPECT_EQ(device.asked, 1);
}

TEST(BlockCache, TheBestFitIsTaken) {
  FakeDevice device(32 * kMiB);
  BlockCache cache(device.source());
  void* const wide = cache.allocate(6 * kMiB);
  cache.allocate(2 * kMiB);
  void* const narrow = cache.allocate(4 * kMiB);
  cache.allocate(20 * kMiB);
  cache.release(wide);
  cache.release(narrow);
  EXPECT_EQ(cache.allocate(4 * kMiB), narrow);
  EXPECT_EQ(cache.allocate(5 * kMiB), wide);
}

TEST(BlockCache, SmallAndLargeBlocksShareNoSegment) {
  FakeDevice device(100 * kMiB);
  BlockCache cache(device.source());
  cache.allocate(100);
  cache.allocate(2 * kMiB);
  cache.allocate(kMiB);
  EXPECT_EQ(device.asked, 2);
  EXPECT_EQ(cache.stats().segments, 2);
}

TEST(BlockCache, Accounting) {
  FakeDevice device(100 * kMiB);
  BlockCache cache(device.source());
  void* const large = cache.allocate(40 * kMiB);
  void* const small = cache.allocate(700);
  BlockCache::Stats stats = cache.stats();
  EXPECT_EQ(stats.in_use, static_cast<std::int64_t>(40 * kMiB + 1024));
  EXPECT_EQ(stats.cached, static_cast<std::int64_t>(2 * kMiB - 1024));
  EXPECT_EQ(device.used, 42 * kMiB);
  cache.release(large);
  cache.release(small);
  stats = cache.stats();
  EXPECT_EQ(stats.in_use, 0);
  EXPECT_EQ(stats.cached, static_cast<std::int64_t>(42 * kMiB));
  cache.trim();
  EXPECT_EQ(cache.stats().cached, 0);
  EXPECT_EQ(cache.stats().segments, 0);
  EXPECT_EQ(device.used, 0u);
}

TEST(BlockCache, UnusedSegmentsGoBackBeforeMemoryIsOut) {
  FakeDevice device(100 * kMiB);
  BlockCache cache(device.source());
  void* const first = cache.allocate(60 * kMiB);
  void* const kept = cache.allocate(10 * kMiB);
  cache.release(first);
  EXPECT_NE(cache.allocate(64 * kMiB), nullptr);  // 60 cached would not do
  EXPECT_EQ(cache.allocate(64 * kMiB), nullptr);  // now it is full
  EXPECT_EQ(cache.allocate(~std::size_t{0}), nullptr);
  EXPECT_NE(cache.allocate(20 * kMiB), nullptr);  // what is left in the segment of `kept`
  cache.release(kept);
}

TEST(BlockCache, TheLastMemoryNeedNotBeAFullSegment) {
  FakeDevice device(kMiB);
  BlockCache cache(device.source());
  EXPECT_NE(cache.allocate(1000), nullptr);
  EXPECT_EQ(device.used, 1024u);
}

// Random requests: blocks never overlap, the counters add up, and in the end all is one again.
TEST(BlockCache, RandomRequests) {
  FakeDevice device(400 * kMiB);
  BlockCache cache(device.source());
  std::map<std::uintptr_t, std::size_t> live;
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    if (live.size() > 40 || (!live.empty() && random.below(2) == 0)) {
      auto victim = live.begin();
      std::advance(victim, random.below(static_cast<std::uint32_t>(live.size())));
      cache.release(reinterpret_cast<void*>(victim->first));
      live.erase(victim);
      continue;
    }
    const std::size_t bytes = random.below(4) == 0 ? random.below(12u << 20) : random.below(9000);
    void* const pointer = cache.allocate(bytes);
    if (pointer == nullptr) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
    const auto next = live.lower_bound(begin);
    if (next != live.end()) {
      ASSERT_LE(begin + bytes, next->first);
    }
    if (next != live.begin()) {
      const auto& [before, size] = *std::prev(next);
      ASSERT_LE(before + size, begin);
    }
    live.emplace(begin, bytes);
    const BlockCache::Stats stats = cache.stats();
    ASSERT_EQ(static_cast<std::size_t>(stats.in_use + stats.cached), device.used);
  }
  for (const auto& [begin, bytes] : live) cache.release(reinterpret_cast<void*>(begin));
  EXPECT_EQ(cache.stats().in_use, 0);
  cache.trim();
  EXPECT_TRUE(device.segments.empty());
}

TEST(BlockCache, SharedByThreads) {
  FakeDevice device(400 * kMiB);
  BlockCache cache(device.source());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (std::size_t i = 0; i < 500; ++i) {
        void* const pointer = cache.allocate(1000 * i + static_cast<std::size_t>(t));
        cache.release(pointer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.stats().in_use, 0);
}

}  // namespace
}  // namespace unfold::core
