// The progress line of training, and the time figures of the metrics log.
#pragma once

#include <cstdint>

#include "core/progress.h"
#include "train/metrics_log.h"

namespace unfold::train {

class TrainProgress {
 public:
  // steps: of the whole run; start: steps done before this process; log_every: plain lines.
  // `base` sets stream, mode and clock; its other fields are overwritten.
  TrainProgress(std::int64_t steps, std::int64_t start, std::int64_t log_every,
                core::ProgressOptions base = {});

  // Around every optimizer step, so that validation and checkpoints between steps do not count as
  // training speed. end_step: `tokens` valid targets were trained on.
  void begin_step();
  StepTime end_step(std::int64_t tokens);
  // Shows the step: loss, tokens/s, MFU where it is known, gradient norm, learning rate, eta.
  void show(const StepRecord& record);
  // Makes room for another line on standard error (validation, checkpoint).
  void clear() { progress_.clear(); }
  void finish() { progress_.finish(); }

 private:
  std::int64_t steps_;
  std::int64_t start_;
  std::int64_t steps_here_ = 0;  // steps this process has done
  double step_began_ = 0;        // seconds from the start of this process
  core::Progress progress_;
};

}  // namespace unfold::train
