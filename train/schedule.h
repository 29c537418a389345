// Learning rate as a function of the step.
#pragma once

#include <cstdint>

#include "train/train_config.h"

namespace unfold::train {

// Factor of the peak learning rate for step `step` (0-based) of `steps`. Warm-up rises linearly to
// 1 over the first `warmup` steps. Then
//   constant  1
//   cosine    from 1 to min_ratio over the remaining steps, half a period
//   wsd       1, then linearly to min_ratio over the last decay_fraction of all steps
double schedule_factor(const ScheduleConfig& config, std::int64_t step, std::int64_t steps);

}  // namespace unfold::train
