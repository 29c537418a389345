// Stands in for the NCCL units in a build without NCCL.
#include "core/comm/world.h"

namespace unfold::core {

std::string nccl_version() {
  return "";
}

std::unique_ptr<Communicator> make_nccl_world(const Launch&, const std::string&) {
  return nullptr;
}

}  // namespace unfold::core
