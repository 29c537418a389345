// Where a tensor lives.
#pragma once

#include <cstdint>
#include <string>

namespace unfold::core {

// meta: tensors that have shape and size but no data. Kernels on it do nothing, memory on it is
// only counted; so a program can be run to see what it would need. What is read from it is 0.
enum class DeviceType : std::uint8_t { cpu, cuda, meta };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  bool is_cpu() const { return type == DeviceType::cpu; }
  bool is_meta() const { return type == DeviceType::meta; }
  bool operator==(const Device&) const = default;
};

// "cpu", "cuda:0" or "meta".
std::string name_of(Device device);
// "cpu", "cuda" or "cuda:N". Throws core::UserError for anything else.
Device device_from_name(const std::string& name);

// The same, and throws core::UserError when this process cannot use it: no such device, no driver,
// a build without CUDA.
Device usable_device(const std::string& name);

// Number of CUDA devices this process can use; 0 without a GPU, a driver, or CUDA in the build.
int cuda_device_count();
// One line for people: which CUDA devices there are, or why there are none.
std::string describe_cuda();

}  // namespace unfold::core
