#include "core/comm/launch.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

namespace unfold::core {
namespace {

using Get = std::function<const char*(const char*)>;

std::optional<int> number(const Get& get, const char* name) {
  const char* const text = get(name);
  if (text == nullptr) return std::nullopt;
  int value = 0;
  const char* const end = text + std::strlen(text);
  const auto [rest, status] = std::from_chars(text, end, value);
  if (status != std::errc() || rest != end || value < 0) return std::nullopt;
  return value;
}

struct Names {
  const char* launcher;
  const char* rank;
  const char* size;
  const char* local;
};

// srun before PMI: a step of Slurm may also set PMI_*. In a batch script itself there is a
// SLURM_PROCID, but no size of a step.
constexpr Names kLaunchers[] = {
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
    {"mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
};

}  // namespace

Launch find_launch(const Get& get) {
  const char* const wish = get("UNFOLD_COMM");
  if (wish != nullptr && std::string_view(wish) == "single") return {};
  for (const Names& names : kLaunchers) {
    const auto rank = number(get, names.rank);
    const auto size = number(get, names.size);
    if (!rank || !size || *size < 1 || *rank >= *size) continue;
    // `srun` without -n starts one process, often only to get onto a node: nobody to talk to.
    if (*size == 1 && std::string_view(names.launcher) == "srun") continue;
    return {names.launcher, *rank, *size, number(get, names.local).value_or(0)};
  }
  return {};
}

Launch find_launch() {
  return find_launch([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace unfold::core
