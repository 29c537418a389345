// SIGINT and SIGTERM as a wish to stop after the current step.
#pragma once

namespace unfold::train {

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
