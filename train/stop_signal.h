// SIGINT, SIGTERM, SIGUSR1 and SIGHUP (the terminal is gone) as a wish to stop after the current
// step. mpirun and Slurm pass SIGUSR1 on to all ranks; of SIGTERM mpirun leaves them but a second.
#pragma once

#include <csignal>

namespace unfold::train {

inline constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};

// Installs handlers while it lives. The first signal sets a flag; a second one ends the process at
// once, as without handlers. A SIGHUP that is ignored (nohup) stays so.
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
