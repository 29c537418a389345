#include "core/device_clock.h"

#include "core/cuda/runtime.h"

namespace unfold::core {

DeviceClock::~DeviceClock() {
  for (void* event : events_) cuda::release_mark(event);
}

void DeviceClock::mark() {
  if (device_.type == DeviceType::cuda) {
    events_.push_back(cuda::mark(device_.index));
  } else {
    moments_.push_back(std::chrono::steady_clock::now());
  }
}

std::vector<double> DeviceClock::seconds() const {
  std::vector<double> seconds;
  for (std::size_t i = 1; i < events_.size(); ++i) {
    seconds.push_back(cuda::seconds_between(device_.index, events_[i - 1], events_[i]));
  }
  for (std::size_t i = 1; i < moments_.size(); ++i) {
    seconds.push_back(std::chrono::duration<double>(moments_[i] - moments_[i - 1]).count());
  }
  return seconds;
}

void wait_for(Device device) {
  if (device.type == DeviceType::cuda) cuda::synchronize(device.index);
}

}  // namespace unfold::core
