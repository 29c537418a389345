#include "train/progress.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>
#include <vector>

#include "core/text_format.h"

namespace unfold::train {
namespace {

core::ProgressOptions with_steps(core::ProgressOptions options, std::int64_t steps,
                                 std::int64_t start, std::int64_t log_every) {
  options.label = "step";
  options.total = steps;
  options.start = start;
  options.every = log_every;
  options.unit = core::ProgressUnit::exact;
  return options;
}

}  // namespace

TrainProgress::TrainProgress(std::int64_t steps, std::int64_t start, std::int64_t log_every,
                             core::ProgressOptions base)
    : steps_(steps),
      start_(start),
      progress_(with_steps(std::move(base), steps, start, log_every)) {}

void TrainProgress::begin_step() {
  step_began_ = progress_.elapsed();
}

StepTime TrainProgress::end_step(std::int64_t tokens) {
  const double now = progress_.elapsed();
  const double seconds = now - step_began_;
  ++steps_here_;
  const auto left = static_cast<double>(steps_ - start_ - steps_here_);
  StepTime time;
  time.seconds = seconds;
  time.tokens_per_second = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  time.elapsed = now;
  time.eta = now / static_cast<double>(steps_here_) * std::fmax(left, 0.0);
  return time;
}

void TrainProgress::show(const StepRecord& record) {
  std::vector<core::ProgressField> fields = {
      {"loss", fmt::format("{:.3f}", record.loss)},
      {"", core::format_count(record.time.tokens_per_second) + " tok/s"},
      {"grad", fmt::format("{:.2g}", record.grad_norm)},
      {"lr", fmt::format("{:.1e}", record.lr)},
  };
  if (record.time.mfu > 0) {
    fields.insert(fields.begin() + 2, {"mfu", fmt::format("{:.0f}%", record.time.mfu * 100)});
  }
  progress_.update(record.step, fields);
}

}  // namespace unfold::train
