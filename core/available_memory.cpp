#include "core/available_memory.h"

#include <fstream>
#include <string>

#include "core/cuda/runtime.h"
#include "core/memory.h"

namespace unfold::core {
namespace {

// MemAvailable of the kernel: free memory, and what it would give back.
std::int64_t available_on_host() {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word;) {
    std::int64_t kibibytes = 0;
    if (word == "MemAvailable:" && in >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

std::int64_t available_memory(Device device) {
  if (device.is_meta()) return 0;
  std::int64_t free = 0;
  if (device.is_cpu()) {
    free = available_on_host();
    if (free == 0) return 0;
  } else {
    const cuda::MemoryInfo info = cuda::memory_info(device.index);
    free = info.free + info.cached;
  }
  return free + memory_stats(device).current;
}

}  // namespace unfold::core
