// unfold bench train: training steps of any config on random tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/bench/section.h"
#include "core/comm/communicator.h"
#include "train/trainer.h"

namespace unfold::cli::bench {

struct TrainBenchOptions {
  std::int64_t steps = 10;  // timed ones
  bool profile = false;     // then a table of kernels, of further steps
};

inline constexpr std::int64_t kWarmUpSteps = 3;

// Section "train": speed and memory; with profile also "kernels". On config.run.device; neither
// data nor run folder are touched. Throws core::UserError: no vocabulary, no such device, out of
// memory.
//
// Of many ranks each measures its own share of the rows, and the figures are those of rank 0: speed
// and memory of one rank; how much of the communication was hidden behind other work.
std::vector<Section> train_sections(const train::TrainerConfig& config,
                                    const TrainBenchOptions& options, core::Communicator& world);

}  // namespace unfold::cli::bench
