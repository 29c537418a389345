// Tests that start the program under mpirun.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/comm/world.h"

namespace unfold::cli {

// Skips where the program was built without MPI, or there is no mpirun.
#define UNFOLD_NEEDS_MPIRUN()                                                     \
  if (::unfold::core::mpi_version().empty()) GTEST_SKIP() << "built without MPI"; \
  if (std::system("command -v mpirun > /dev/null") != 0) GTEST_SKIP() << "no mpirun"

// mpirun for tests: on this host alone, as any user, with more ranks than cores.
inline void set_mpirun_environment() {
  for (const auto& [name, value] : {std::pair{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                                    {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                                    {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                                    {"OMPI_MCA_hwloc_base_binding_policy", "none"},
                                    {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
                                    {"OMPI_MCA_btl", "self,vader"},
                                    {"OMPI_MCA_plm_rsh_agent", "sh"},
                                    {"OMP_WAIT_POLICY", "passive"},
                                    {"OMP_NUM_THREADS", "1"}}) {
    ::setenv(name, value, 1);
  }
}

inline std::string mpirun(int ranks) {
  return "mpirun -n " + std::to_string(ranks) + " ";
}

// Processes of ranks, in their order, started by mpirun.
inline std::vector<::pid_t> rank_processes(::pid_t launcher) {
  std::vector<::pid_t> processes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream in(entry.path() / "stat");
    std::string text(std::istreambuf_iterator<char>(in), {});
    const std::size_t end = text.rfind(')');
    if (end == std::string::npos || end + 4 > text.size()) continue;
    const bool is_ours = text.substr(0, end).find("(unfold") != std::string::npos;
    if (is_ours && std::atoi(text.c_str() + end + 4) == launcher) {
      processes.push_back(std::atoi(name.c_str()));
    }
  }
  std::sort(processes.begin(), processes.end());
  return processes;
}

}  // namespace unfold::cli
