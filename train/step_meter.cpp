#include "train/step_meter.h"

#include <unistd.h>

#include <algorithm>

#include "core/available_memory.h"
#include "core/error.h"
#include "core/log.h"
#include "train/memory_report.h"
#include "train/speed.h"

namespace unfold::train {
namespace {

constexpr std::int64_t kWarmUpSteps = 3;
constexpr std::size_t kMostSteps = 1001;

}  // namespace

StepMeter::StepMeter(const TrainerConfig& config, core::Device device, int ranks)
    : train_(config.train), device_(device) {
  try {
    plan_ = make_plan(config, ranks);
  } catch (const core::UserError&) {
    return;  // full rows without a target; those of the data may have some
  }
  if (device.type != core::DeviceType::cuda) return;
  try {
    roofline_ = core::measure_roofline(device, config.train.dtype);
  } catch (const core::UserError& error) {
    core::log::debug("no figures of speed: {}", error.what());
  }
}

void StepMeter::tell_memory() const {
  if (!plan_) return;
  const std::int64_t available = core::available_memory(device_);
  const bool table = device_.type == core::DeviceType::cuda || ::isatty(STDERR_FILENO) != 0;
  core::log::info("{}", table ? memory_table(plan_->memory, device_, available)
                              : memory_line(plan_->memory, available));
  const std::string warning = memory_warning(plan_->memory, train_, device_, available);
  if (!warning.empty()) core::log::warning("{}", warning);
}

void StepMeter::add(double seconds) {
  if (++steps_ <= kWarmUpSteps) return;
  if (seconds_.size() < kMostSteps) {
    seconds_.push_back(seconds);
  } else {
    seconds_[static_cast<std::size_t>(steps_) % kMostSteps] = seconds;
  }
}

double StepMeter::mfu(double seconds) const {
  return plan_ ? train::mfu(*plan_, seconds, roofline_.flops) : 0;
}

double StepMeter::median_seconds() const {
  if (seconds_.empty()) return 0;
  std::vector<double> sorted = seconds_;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                   sorted.end());
  return sorted[sorted.size() / 2];
}

double StepMeter::speed_of_light() const {
  if (!plan_ || roofline_.flops <= 0) return 0;
  return train::speed_of_light(*plan_, train_.dtype, roofline_);
}

}  // namespace unfold::train
