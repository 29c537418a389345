// Where the time of a profiled program went, kernel by kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/bench/section.h"
#include "core/profile.h"

namespace unfold::cli::bench {

// Slowest first, with what each kernel is for; then what happened outside kernels. seconds: of the
// whole; steps: training steps in it, by which calls and milliseconds are divided.
Section kernel_table(const std::vector<core::KernelTime>& kernels, double seconds,
                     std::int64_t steps);

}  // namespace unfold::cli::bench
