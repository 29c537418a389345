#include "core/profile.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>

#include "core/cuda/runtime.h"
#include "core/kernels/kernel.h"

namespace unfold::core {
namespace {

std::atomic<bool> g_on{false};
std::mutex g_mutex;
std::map<std::string, KernelTime> g_times;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void start_profile() {
  const std::lock_guard lock(g_mutex);
  g_times.clear();
  g_on = true;
}

bool profiling() {
  return g_on;
}

std::vector<KernelTime> stop_profile() {
  const std::lock_guard lock(g_mutex);
  g_on = false;
  std::vector<KernelTime> result;
  for (const auto& [name, time] : g_times) result.push_back(time);
  std::sort(result.begin(), result.end(),
            [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return result;
}

ProfilePause::ProfilePause() : was_on_(g_on.exchange(false)) {}
ProfilePause::~ProfilePause() {
  g_on = was_on_;
}

namespace kernels::detail {

// A CUDA kernel is only launched by its call: a profile waits for the device before and after it.
KernelScope::KernelScope(const char* name, Device device, std::size_t bytes)
    : name_(name), device_(device), bytes_(bytes), start_(-1.0) {
  const bool on_cuda = device.type == DeviceType::cuda;
  if (g_on && !device.is_meta()) {
    if (on_cuda) cuda::synchronize(device.index);
    start_ = now();
  }
  if (on_cuda) cuda::push_range(name);
}

KernelScope::~KernelScope() {
  const bool on_cuda = device_.type == DeviceType::cuda;
  if (on_cuda) cuda::pop_range();
  if (start_ < 0) return;
  if (on_cuda) {
    try {
      cuda::synchronize(device_.index);
    } catch (const Error&) {
      return;  // the next call on the device says so
    }
  }
  const double seconds = now() - start_;
  const std::lock_guard lock(g_mutex);
  KernelTime& time = g_times[name_];
  time.name = name_;
  time.seconds += seconds;
  time.calls += 1;
  time.bytes += static_cast<double>(bytes_);
}

}  // namespace kernels::detail

}  // namespace unfold::core
