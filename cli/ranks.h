// Commands that many processes run together, started by mpirun or srun.
#pragma once

#include <functional>
#include <string>

#include "core/comm/communicator.h"

namespace unfold::cli {

// Another rank told people why all of them end: this one ends with the same code, and says nothing.
class SaidElsewhere {
 public:
  explicit SaidElsewhere(int code) : code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

// Runs the body with the world of this process (core/comm/world.h). An exception on one rank ends
// all of them: what it says is written once, by rank 0 or by the rank it came from.
void run_on_ranks(const std::string& device,
                  const std::function<void(core::Communicator& world)>& body);

}  // namespace unfold::cli
