// Raw memory by device, with accounting: how much is in use now, and how much at the most.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace unfold::core {

struct MemoryStats {
  std::int64_t current = 0;      // bytes in use
  std::int64_t peak = 0;         // most bytes in use since the start or the last reset
  std::int64_t allocations = 0;  // blocks handed out so far
};

// 64-byte aligned, uninitialised. Throws core::UserError when the device has no memory left.
void* allocate(Device device, std::size_t bytes);
// Gives a block back. bytes is what was asked for.
void release(Device device, void* pointer, std::size_t bytes) noexcept;

// Bytes from `from` to `to`, either of them on any device; returns when the copy is done.
void copy_bytes(Device to_device, void* to, Device from_device, const void* from,
                std::size_t bytes);

MemoryStats memory_stats(Device device);
// Makes the current use the new peak.
void reset_peak(Device device);

}  // namespace unfold::core
