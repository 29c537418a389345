// What a training says of its device: memory before the first step, then how much of the device it
// uses.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/device.h"
#include "core/roofline.h"
#include "train/plan.h"

namespace unfold::train {

class StepMeter {
 public:
  // Plans the step (config.model.vocab_size must be set). On a GPU measures the roofline as well,
  // in about a tenth of a second and with memory that is given back; where there is no room for it,
  // there are no figures of speed. A config that cannot be planned is not measured either.
  // ranks: as make_plan takes them.
  StepMeter(const TrainerConfig& config, core::Device device, int ranks = 1);

  // Logs the plan's memory: a table for a GPU or a terminal, else a line; and a warning when the
  // device has not as much.
  void tell_memory() const;

  // A step has taken so long.
  void add(double seconds);
  // MFU of a step that took so long (train/speed.h), by the arithmetic of full rows; 0 on the CPU.
  double mfu(double seconds) const;

  // Over the last thousand steps but the first ones of the process, which warm up.
  double median_seconds() const;
  // Seconds of a step at the roofline (train/speed.h); 0 on the CPU.
  double speed_of_light() const;
  double peak_flops() const { return roofline_.flops; }  // measured; 0 on the CPU
  std::int64_t planned_bytes() const { return plan_ ? plan_->memory.peak : 0; }

 private:
  TrainConfig train_;
  core::Device device_;
  std::optional<Plan> plan_;
  core::Roofline roofline_;
  std::int64_t steps_ = 0;
  std::vector<double> seconds_;  // a ring
};

}  // namespace unfold::train
