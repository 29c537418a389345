// The few calls of the CUDA runtime that code outside the CUDA kernels needs. runtime.cpp
// implements them; a build without CUDA links core/cuda_runtime_stub.cpp, which reports no devices
// and throws on everything else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/device.h"

namespace unfold::core::cuda {

int device_count();
// "NVIDIA H100 80GB HBM3".
std::string device_name(int device);
// "2 GPUs: NVIDIA H100 80GB HBM3 (sm_90, 79.1 GiB), ..." or the reason why there are none.
std::string describe();

// Memory of the device's cache (core/block_cache.h), 512-byte aligned, uninitialised. nullptr when
// the device is out of memory; throws core::UserError when there is no such device.
void* allocate(int device, std::size_t bytes);
void release(int device, void* pointer) noexcept;

struct MemoryInfo {
  std::int64_t total = 0;           // bytes of the device
  std::int64_t free = 0;            // of them in nobody's use, neither ours nor another process's
  std::int64_t cached = 0;          // ours, free in the cache
  std::int64_t largest_cached = 0;  // the largest piece of them
  std::int64_t reserved = 0;        // ours in all: in use (rounded up) and cached
};
MemoryInfo memory_info(int device);
// Gives cached memory that is not in use back to the device.
void release_cached(int device);

// Ordered with the kernels of the devices. Returns when `from` has been read, and, for copies to
// the host, when the bytes are there.
void copy(Device to_device, void* to, Device from_device, const void* from, std::size_t bytes);

// Waits until all work given to the device is done; errors of kernels surface here.
void synchronize(int device);

// Moments on a device's time line: an event marks where the work given to the device so far ends.
// Marking costs a few microseconds and waits for nothing.
void* mark(int device);
// Waits until `end` is reached. Half a microsecond exact.
double seconds_between(int device, void* begin, void* end);
// Whether the work in front of the mark is done.
bool has_passed(int device, void* mark);
void release_mark(void* mark) noexcept;

// A named range on the time line of a profiler (NVTX); ranges nest. Costs nothing without one.
void push_range(const char* name) noexcept;
void pop_range() noexcept;

}  // namespace unfold::core::cuda
