#include "core/memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr int kMaxDevices = 18;  // the CPU, meta and up to 16 GPUs

struct Counters {
  std::atomic<std::int64_t> current{0};
  std::atomic<std::int64_t> peak{0};
  std::atomic<std::int64_t> allocations{0};
  std::array<std::atomic<std::int64_t>, kMemoryUses> by_use{};
  std::array<std::atomic<std::int64_t>, kMemoryUses> at_peak{};
  std::array<std::atomic<std::int64_t>, kMemoryUses> use_peak{};

  void set_uses_at_peak() {
    for (std::size_t i = 0; i < kMemoryUses; ++i) at_peak[i] = by_use[i].load();
  }
};

// Raises peak to value; true when it was below.
bool raise(std::atomic<std::int64_t>& peak, std::int64_t value) {
  std::int64_t before = peak.load();
  while (value > before) {
    if (peak.compare_exchange_weak(before, value)) return true;
  }
  return false;
}

Counters& counters(Device device) {
  static std::array<Counters, kMaxDevices> all;
  if (device.is_cpu()) return all[0];
  if (device.is_meta()) return all[1];
  const int slot = 2 + device.index;
  check(slot >= 2 && slot < kMaxDevices, "memory", "device index {} out of range", device.index);
  return all[static_cast<std::size_t>(slot)];
}

thread_local MemoryUse g_use = MemoryUse::other;

void* allocate_cpu(std::size_t bytes) {
  // Keep freed blocks in the process: a training step asks for the same sizes again and again, and
  // page faults of fresh memory would cost more than the arithmetic on it.
  static const bool tuned = [] {
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, -1);
    return true;
  }();
  static_cast<void>(tuned);
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
}

}  // namespace

const char* name_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::other:
      return "other";
    case MemoryUse::parameters:
      return "parameters";
    case MemoryUse::optimizer:
      return "optimizer";
    case MemoryUse::gradients:
      return "gradients";
    case MemoryUse::activations:
      return "activations";
    case MemoryUse::loss:
      return "loss";
    case MemoryUse::backward:
      return "backward";
  }
  return "";
}

MemoryScope::MemoryScope(MemoryUse use) : previous_(std::exchange(g_use, use)) {}
MemoryScope::~MemoryScope() {
  g_use = previous_;
}
MemoryUse memory_use() {
  return g_use;
}

namespace {

// What to lower, by what holds most.
const char* advice(MemoryUse largest) {
  switch (largest) {
    case MemoryUse::parameters:
    case MemoryUse::optimizer:
    case MemoryUse::gradients:
      return "lower model.width or model.layers, or train.micro_rows and train.row_length";
    default:
      return "lower train.micro_rows or train.row_length, or set train.activation_checkpointing: "
             "true";
  }
}

// The memory of a device in words; empty when it cannot be told: out of memory is the news.
std::string device_text(Device device) {
  const auto mib = [](auto value) { return static_cast<double>(value) / (1 << 20); };
  try {
    const cuda::MemoryInfo info = cuda::memory_info(device.index);
    return fmt::format(
        ", {:.1f} MiB cached in pieces of at most {:.1f}, {:.1f} MiB free of {:.1f} on the device",
        mib(info.cached), mib(info.largest_cached), mib(info.free), mib(info.total));
  } catch (const Error&) {
    return "";
  }
}

// One line: what was asked for, what there is, what holds most of it, and what to do.
[[noreturn]] void fail_out_of_memory(Device device, std::size_t bytes, const Counters& count) {
  const auto mib = [](auto value) { return static_cast<double>(value) / (1 << 20); };
  std::vector<std::pair<std::int64_t, MemoryUse>> holders;
  for (std::size_t i = 0; i < kMemoryUses; ++i) {
    const std::int64_t held = count.by_use[i].load();
    if (held > 0) holders.emplace_back(held, static_cast<MemoryUse>(i));
  }
  std::sort(holders.rbegin(), holders.rend());
  std::string held;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, holders.size()); ++i) {
    held += fmt::format("{}{} {:.1f}", i == 0 ? " (" : ", ", name_of(holders[i].second),
                        mib(holders[i].first));
  }
  if (!held.empty()) held += ")";
  if (!device.is_cpu()) held += device_text(device);
  fail("memory", "{} is out of memory: asked for {:.1f} MiB with {:.1f} MiB in use{}: {}",
       name_of(device), mib(bytes), mib(count.current.load()), held,
       advice(holders.empty() ? MemoryUse::other : holders.front().second));
}

}  // namespace

void* allocate(Device device, std::size_t bytes, MemoryUse use) {
  Counters& count = counters(device);
  void* pointer = device.is_cpu()    ? allocate_cpu(bytes)
                  : device.is_meta() ? &count
                                     : cuda::allocate(device.index, bytes);
  if (pointer == nullptr) fail_out_of_memory(device, bytes, count);
  const auto size = static_cast<std::int64_t>(bytes);
  const auto slot = static_cast<std::size_t>(use);
  raise(count.use_peak[slot], count.by_use[slot].fetch_add(size) + size);
  if (raise(count.peak, count.current.fetch_add(size) + size)) count.set_uses_at_peak();
  count.allocations.fetch_add(1);
  return pointer;
}

void release(Device device, void* pointer, std::size_t bytes, MemoryUse use) noexcept {
  if (pointer == nullptr) return;
  Counters& count = counters(device);
  count.by_use[static_cast<std::size_t>(use)].fetch_sub(static_cast<std::int64_t>(bytes));
  count.current.fetch_sub(static_cast<std::int64_t>(bytes));
  if (device.is_cpu()) {
    std::free(pointer);
  } else if (!device.is_meta()) {
    cuda::release(device.index, pointer);
  }
}

void copy_bytes(Device to_device, void* to, Device from_device, const void* from,
                std::size_t bytes) {
  if (bytes == 0) return;
  if (to_device.is_cpu() && from_device.is_cpu()) {
    std::memcpy(to, from, bytes);
  } else {
    cuda::copy(to_device, to, from_device, from, bytes);
  }
}

MemoryStats memory_stats(Device device) {
  const Counters& count = counters(device);
  MemoryStats stats;
  stats.current = count.current.load();
  stats.peak = count.peak.load();
  stats.allocations = count.allocations.load();
  for (std::size_t i = 0; i < kMemoryUses; ++i) {
    stats.at_peak[i] = count.at_peak[i].load();
    stats.use_peak[i] = count.use_peak[i].load();
  }
  return stats;
}

void reset_peak(Device device) {
  Counters& count = counters(device);
  count.peak.store(count.current.load());
  count.set_uses_at_peak();
  for (std::size_t i = 0; i < kMemoryUses; ++i) count.use_peak[i].store(count.by_use[i].load());
}

}  // namespace unfold::core
