// What a training will need of its device's memory, said before the first step.
#pragma once

#include <cstdint>
#include <string>

#include "core/device.h"
#include "train/plan.h"

namespace unfold::train {

// What a use of memory is called for people, e.g. "optimizer: masters and moments".
const char* title_of(core::MemoryUse use);

// A line a use: the most it takes, and its part of the peak; then the peak, and `available` bytes
// where they are known (not 0).
std::string memory_table(const MemoryPlan& plan, core::Device device, std::int64_t available);

// The same in one line: "memory: 12.3 MiB at the peak (activations 8.0 MiB, ...), 3.1 GiB
// available".
std::string memory_line(const MemoryPlan& plan, std::int64_t available);

// Empty while the plan fits. Else what is wrong and what to lower: rows and their length where a
// forward pass needs most; the model itself where parameters, gradients and optimizer alone do not
// fit.
std::string memory_warning(const MemoryPlan& plan, const TrainConfig& config, core::Device device,
                           std::int64_t available);

}  // namespace unfold::train
