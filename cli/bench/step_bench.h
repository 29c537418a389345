// A training step of the bench model: time, where it goes, and memory beside the plan's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench/section.h"
#include "core/profile.h"

namespace unfold::cli::bench {

struct StepTime {
  std::string attention;   // "causal" or "gist 8"
  double seconds = 0;      // of the fastest step
  double cpu_seconds = 0;  // of the step that took least, over all threads
  double positions_per_second = 0;
  double gflops = 0;                      // of matrix products, a second, as the plan counts them
  std::vector<core::KernelTime> kernels;  // of the fastest step
  std::int64_t peak_bytes = 0;            // accounted
  std::int64_t planned_bytes = 0;
};

// The fastest of at least `least` steps in about `seconds`, behind one that is not counted.
StepTime time_step(std::int64_t chunk, double seconds, int least);

// Time, speed and memory; one row a step.
Section step_section(const std::vector<StepTime>& steps);
// Share of the step by kernel; one row a kernel, a column a step. What is not in kernels is "rest".
Section kernel_section(const std::vector<StepTime>& steps);

}  // namespace unfold::cli::bench
