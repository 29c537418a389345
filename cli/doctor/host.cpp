#include "cli/doctor/host.h"

#include <fmt/core.h>
#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/version.h"
#include "core/available_memory.h"
#include "core/comm/agreement.h"
#include "core/comm/world.h"
#include "core/cuda/runtime.h"
#include "core/device.h"
#include "core/error.h"
#include "core/text_format.h"

namespace unfold::cli::doctor {
namespace {

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Cores this process may run on: mpirun binds processes to some.
int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

}  // namespace

std::string to_text(const Facts& facts) {
  std::string text;
  for (const auto& [key, value] : facts) text += key + "=" + value + "\n";
  return text;
}

Facts facts_from(const std::string& text) {
  Facts facts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (const std::size_t equal = line.find('='); equal != std::string::npos) {
      facts[line.substr(0, equal)] = line.substr(equal + 1);
    }
    begin = end + 1;
  }
  return facts;
}

Facts facts_of_this_host(const std::string& device) {
  Facts facts;
  facts["host"] = host_name();
  facts["process"] = std::to_string(::getpid());
  facts["cores"] = std::to_string(::sysconf(_SC_NPROCESSORS_ONLN));
  facts["usable cores"] = std::to_string(usable_cores());
  facts["threads"] = std::to_string(omp_get_max_threads());
  facts["memory"] = core::format_bytes(static_cast<double>(core::available_memory(core::Device{})));
  facts["program"] = fmt::format("{}, {}", version(), core::program_fingerprint());
  facts["MPI"] = core::mpi_version();
  facts["NCCL"] = core::nccl_version();
  facts["GPUs"] = std::to_string(core::cuda_device_count());
  facts["CUDA"] = core::describe_cuda();
  facts["device"] = "cpu";
  facts["kind"] = "cpu";  // of device: which one of a host is no difference
  if (device == "cpu") return facts;
  try {
    const core::Device gpu = core::usable_device(device);
    facts["kind"] = core::cuda::device_name(gpu.index);
    facts["device"] = fmt::format("{} ({})", core::name_of(gpu), facts["kind"]);
    const core::cuda::MemoryInfo memory = core::cuda::memory_info(gpu.index);
    facts["GPU memory"] = core::format_bytes(static_cast<double>(memory.total));
    facts["GPU free"] = core::format_bytes(static_cast<double>(memory.free));
    if (memory.free + memory.reserved < memory.total / 10 * 9) {
      facts["problem"] = fmt::format("{} has {} of {} free: something else uses it (nvidia-smi)",
                                     facts["device"], facts["GPU free"], facts["GPU memory"]);
    }
  } catch (const core::Error& error) {
    facts["problem"] = error.what();
  }
  return facts;
}

}  // namespace unfold::cli::doctor
