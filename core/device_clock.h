// Time on a device, whose work goes on behind the host that asked for it.
#pragma once

#include <chrono>
#include <vector>

#include "core/device.h"

namespace unfold::core {

// Marks moments between pieces of work. On a GPU a mark is an event among the kernels, so that
// nothing waits and nothing is slowed down; on the CPU it is the time of the call.
//
//     DeviceClock clock(device);
//     clock.mark();
//     for (...) { work(); clock.mark(); }
//     clock.seconds();  // of each piece
class DeviceClock {
 public:
  explicit DeviceClock(Device device) : device_(device) {}
  ~DeviceClock();
  DeviceClock(const DeviceClock&) = delete;
  DeviceClock& operator=(const DeviceClock&) = delete;

  void mark();
  // Seconds from each mark to the next: one fewer than marks. Waits for the device.
  std::vector<double> seconds() const;

 private:
  Device device_;
  std::vector<void*> events_;                                   // on a GPU
  std::vector<std::chrono::steady_clock::time_point> moments_;  // elsewhere
};

// Returns when all work given to the device is done. Nothing to do on the CPU.
void wait_for(Device device);

}  // namespace unfold::core
