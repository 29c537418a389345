#include "core/memory.h"

#include <malloc.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr int kMaxDevices = 17;  // the CPU and up to 16 GPUs

struct Counters {
  std::atomic<std::int64_t> current{0};
  std::atomic<std::int64_t> peak{0};
  std::atomic<std::int64_t> allocations{0};
};

Counters& counters(Device device) {
  static std::array<Counters, kMaxDevices> all;
  const int slot = device.is_cpu() ? 0 : 1 + device.index;
  check(slot >= 0 && slot < kMaxDevices, "memory", "device index {} out of range", device.index);
  return all[static_cast<std::size_t>(slot)];
}

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

void* allocate(Device device, std::size_t bytes) {
  Counters& count = counters(device);
  void* pointer = device.is_cpu() ? allocate_cpu(bytes) : cuda::allocate(device.index, bytes);
  require(
      pointer != nullptr, "memory",
      "{} is out of memory: asked for {:.1f} MiB with {:.1f} MiB in use: lower train.micro_rows "
      "or train.row_length",
      name_of(device), static_cast<double>(bytes) / (1 << 20),
      static_cast<double>(count.current.load()) / (1 << 20));
  const std::int64_t now =
      count.current.fetch_add(static_cast<std::int64_t>(bytes)) + static_cast<std::int64_t>(bytes);
  std::int64_t peak = count.peak.load();
  while (now > peak && !count.peak.compare_exchange_weak(peak, now)) {
  }
  count.allocations.fetch_add(1);
  return pointer;
}

void release(Device device, void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) return;
  counters(device).current.fetch_sub(static_cast<std::int64_t>(bytes));
  if (device.is_cpu()) {
    std::free(pointer);
  } else {
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
  return {count.current.load(), count.peak.load(), count.allocations.load()};
}

void reset_peak(Device device) {
  Counters& count = counters(device);
  count.peak.store(count.current.load());
}

}  // namespace unfold::core
