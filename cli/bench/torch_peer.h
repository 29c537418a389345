// The same training step in PyTorch, where it is installed: scripts/bench/torch_step.py.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench/section.h"
#include "cli/bench/step_bench.h"

namespace unfold::cli::bench {

struct TorchStep {
  std::string attention;
  double seconds = 0;
  double cpu_seconds = 0;
  std::string version;
};

class TorchPeer {
 public:
  // Looks for an interpreter that can import torch: UNFOLD_TORCH_PYTHON, or python3; and for the
  // script below the working directory or beside the program.
  TorchPeer();

  bool available() const { return missing_.empty(); }
  // Why there are no figures of PyTorch; empty when there are.
  const std::string& missing() const { return missing_; }
  // Times the step; nothing when PyTorch failed, and then missing() says how.
  std::optional<TorchStep> time_step(std::int64_t chunk, double seconds, int least);

 private:
  std::string python_;
  std::string script_;
  std::string missing_;
};

// Our steps beside PyTorch's (by position; absent ones are shown as "-").
Section torch_section(const std::vector<StepTime>& ours,
                      const std::vector<std::optional<TorchStep>>& torch, const TorchPeer& peer);

}  // namespace unfold::cli::bench
