// Stands in for the MPI units in a build without MPI.
#include "core/comm/world.h"

namespace unfold::core {

std::string mpi_version() {
  return "";
}

std::unique_ptr<Communicator> make_mpi_world(const Launch&) {
  return nullptr;
}

}  // namespace unfold::core
