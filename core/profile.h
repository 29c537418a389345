// Where the time goes: seconds and calls by kernel name, collected while profiling is on.
// Costs one branch a kernel when it is off. While it is on, CUDA kernels run one by one.
// Kernels on meta do nothing and are not counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::core {

struct KernelTime {
  std::string name;
  double seconds = 0;
  std::int64_t calls = 0;
  // Of the tensors it was called with, each counted once a call: about what it has to read and
  // write. Too much for kernels that touch a part of a table (embedding), too little for those that
  // read what they write.
  double bytes = 0;
};

// Starts collecting from zero.
void start_profile();
// Whether it is on: CUDA kernels then wait for the device.
bool profiling();
// Stops and returns the kernels, slowest first.
std::vector<KernelTime> stop_profile();

// While one lives, kernels are not counted: measurements of the program itself.
class ProfilePause {
 public:
  ProfilePause();
  ~ProfilePause();
  ProfilePause(const ProfilePause&) = delete;
  ProfilePause& operator=(const ProfilePause&) = delete;

 private:
  bool was_on_;
};

}  // namespace unfold::core
