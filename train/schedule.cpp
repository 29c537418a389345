#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace unfold::train {

double schedule_factor(const ScheduleConfig& config, std::int64_t step, std::int64_t steps) {
  if (step < config.warmup) {
    return static_cast<double>(step + 1) / static_cast<double>(config.warmup);
  }
  switch (config.kind) {
    case ScheduleKind::constant:
      return 1.0;
    case ScheduleKind::cosine: {
      const double span = static_cast<double>(std::max<std::int64_t>(1, steps - config.warmup));
      const double done = std::min(1.0, static_cast<double>(step - config.warmup) / span);
      return config.min_ratio +
             (1.0 - config.min_ratio) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    }
    case ScheduleKind::wsd: {
      const double length = std::max(1.0, config.decay_fraction * static_cast<double>(steps));
      const double into = static_cast<double>(step) - (static_cast<double>(steps) - length);
      const double done = std::clamp(into / length, 0.0, 1.0);
      return 1.0 + (config.min_ratio - 1.0) * done;
    }
  }
  return 1.0;
}

}  // namespace unfold::train
