#include "core/device.h"

#include <fmt/core.h>

#include <charconv>

#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core {

std::string name_of(Device device) {
  if (device.is_cpu()) return "cpu";
  return device.is_meta() ? "meta" : fmt::format("cuda:{}", device.index);
}

Device device_from_name(const std::string& name) {
  if (name == "cpu") return {};
  if (name == "cuda") return {DeviceType::cuda, 0};
  if (name.starts_with("cuda:")) {
    int index = -1;
    const char* end = name.data() + name.size();
    const auto [rest, status] = std::from_chars(name.data() + 5, end, index);
    if (status == std::errc() && rest == end && index >= 0) return {DeviceType::cuda, index};
  }
  fail("device", "unknown device '{}': use cpu, cuda or cuda:N", name);
}

Device usable_device(const std::string& name) {
  const Device device = device_from_name(name);
  require(device.is_cpu() || device.index < cuda_device_count(), "device",
          "{} cannot be used: {}: set run.device=cpu to run on the processor", name,
          describe_cuda());
  return device;
}

int cuda_device_count() {
  return cuda::device_count();
}
std::string describe_cuda() {
  return cuda::describe();
}

}  // namespace unfold::core
