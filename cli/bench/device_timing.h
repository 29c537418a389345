// Timing of work on any device, and tensors to work on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>

#include "cli/bench/timing.h"
#include "core/device_clock.h"
#include "core/tensor.h"

namespace unfold::cli::bench {

// Median seconds of a call, over calls for about `seconds` and at least 3. Short calls are timed in
// groups of a millisecond. Two calls before are not counted.
inline double median_seconds(core::Device device, double seconds,
                             const std::function<void()>& action) {
  action();
  core::DeviceClock first(device);
  first.mark();
  action();
  first.mark();
  const double once = std::max(first.seconds().front(), 1e-7);
  const int group = static_cast<int>(std::clamp(std::ceil(1e-3 / once), 1.0, 50.0));
  const int groups = static_cast<int>(std::clamp(seconds / once / group, 3.0, 200.0));
  core::DeviceClock clock(device);
  clock.mark();
  for (int i = 0; i < groups; ++i) {
    for (int k = 0; k < group; ++k) action();
    clock.mark();
  }
  return median(clock.seconds()) / group;
}

// Values between -0.5 and 0.5, in a pattern that repeats after a quarter of a million.
core::Tensor random_values(const core::Shape& shape, core::DType dtype, core::Device device,
                           std::uint64_t stream);

// Integers from 0 to below `bound`, as int32.
core::Tensor random_integers(std::int64_t count, std::int64_t bound, core::Device device,
                             std::uint64_t stream);

}  // namespace unfold::cli::bench
