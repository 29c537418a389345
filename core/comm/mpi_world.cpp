#include "core/comm/mpi_communicator.h"
#include "core/comm/mpi_runtime.h"
#include "core/comm/world.h"

namespace unfold::core {

std::string mpi_version() {
  return mpi::Runtime::version();
}

std::unique_ptr<Communicator> make_mpi_world(const Launch& launch) {
  return std::make_unique<MpiCommunicator>(launch);
}

}  // namespace unfold::core
