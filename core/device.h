// Where a tensor lives.
#pragma once

#include <cstdint>
#include <string>

namespace unfold::core {

enum class DeviceType : std::uint8_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  bool is_cpu() const { return type == DeviceType::cpu; }
  bool operator==(const Device&) const = default;
};

// "cpu" or "cuda:0".
std::string name_of(Device device);
// "cpu", "cuda" or "cuda:N". Throws core::UserError for anything else.
Device device_from_name(const std::string& name);

// Number of CUDA devices this process can use; 0 without a GPU, a driver, or CUDA in the build.
int cuda_device_count();
// One line for people: which CUDA devices there are, or why there are none.
std::string describe_cuda();

}  // namespace unfold::core
