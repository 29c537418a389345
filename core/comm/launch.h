// How this process was started: by itself, or as one of many by mpirun or srun.
//
// Read from the environment, so that a program started by itself never initialises MPI.
#pragma once

#include <functional>
#include <string>

namespace unfold::core {

struct Launch {
  std::string launcher;  // "mpirun", "srun", ...; empty: started by itself
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;  // among the processes of this host, where the launcher tells
  bool many() const { return !launcher.empty(); }
};

// Open MPI's mpirun, srun (with PMIx, PMI-2 or without), MPICH's mpiexec. `get` is getenv, or a
// test's. UNFOLD_COMM=single: as if started by itself.
Launch find_launch(const std::function<const char*(const char*)>& get);
Launch find_launch();

}  // namespace unfold::core
