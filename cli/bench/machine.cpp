#include "cli/bench/machine.h"

#include <fmt/core.h>

#include <fstream>

#include "core/cuda/runtime.h"
#include "core/parallel.h"

namespace unfold::cli::bench {
namespace {

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

}  // namespace

std::string machine(core::Device device) {
  const std::string host = fmt::format("{}, {} threads", processor(), core::thread_count());
  if (device.type != core::DeviceType::cuda) return host;
  return fmt::format("{}; {}", core::cuda::device_name(device.index), host);
}

}  // namespace unfold::cli::bench
