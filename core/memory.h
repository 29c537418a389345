// Raw memory by device, with accounting: how much is in use now, how much at the most, and for
// what.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace unfold::core {

// What memory is for. Everything allocated while a MemoryScope lives is for its use.
enum class MemoryUse : std::uint8_t {
  other,
  parameters,
  optimizer,    // moments and masters
  gradients,    // of parameters
  activations,  // made by a forward pass; what remains of them is saved for the backward pass
  loss,         // output head and cross-entropy
  backward,     // gradients of activations, recomputed activations
};
inline constexpr std::size_t kMemoryUses = 7;

// "parameters", ...
const char* name_of(MemoryUse use);

// Sets the use of this thread's allocations until it goes; scopes nest.
class MemoryScope {
 public:
  explicit MemoryScope(MemoryUse use);
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

 private:
  MemoryUse previous_;
};
MemoryUse memory_use();

struct MemoryStats {
  std::int64_t current = 0;      // bytes in use
  std::int64_t peak = 0;         // most bytes in use since the start or the last reset
  std::int64_t allocations = 0;  // blocks handed out so far
  // By MemoryUse: what the peak was made of (exact while one thread allocates), and the most bytes
  // in use for each, which need not have been at one time.
  std::array<std::int64_t, kMemoryUses> at_peak{};
  std::array<std::int64_t, kMemoryUses> use_peak{};
};

// 64-byte aligned, uninitialised. Throws core::UserError when the device has no memory left.
// On meta: a pointer to nothing.
void* allocate(Device device, std::size_t bytes, MemoryUse use = memory_use());
// Gives a block back. bytes and use are what was asked for.
void release(Device device, void* pointer, std::size_t bytes, MemoryUse use) noexcept;

// Bytes from `from` to `to`, either of them on any device; returns when the copy is done.
void copy_bytes(Device to_device, void* to, Device from_device, const void* from,
                std::size_t bytes);

MemoryStats memory_stats(Device device);
// Makes the current use the new peak.
void reset_peak(Device device);

}  // namespace unfold::core
