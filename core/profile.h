// Where the time goes: seconds and calls by kernel name, collected while profiling is on.
// Costs one branch a kernel when it is off. While it is on, CUDA kernels run one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::core {

struct KernelTime {
  std::string name;
  double seconds = 0;
  std::int64_t calls = 0;
};

// Starts collecting from zero.
void start_profile();
// Stops and returns the kernels, slowest first.
std::vector<KernelTime> stop_profile();

}  // namespace unfold::core
