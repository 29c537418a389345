// SIGINT, SIGTERM and SIGUSR1 as a wish to stop after the current step. mpirun and Slurm pass
// SIGUSR1 on to all ranks; of SIGTERM mpirun leaves them but a second.
#pragma once

#include <csignal>

namespace unfold::train {

inline constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGUSR1};

// Installs handlers while it lives. The first signal sets a flag; a second one ends the process at
// once, as without handlers.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // The signal that came, or 0.
  int received() const;
};

}  // namespace unfold::train
