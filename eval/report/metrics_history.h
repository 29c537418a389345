// The metrics.jsonl of a run, as curves. The lines are described in train/metrics_log.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace unfold::eval {

// Validation under one visibility.
struct ValidationCurve {
  std::string visibility;
  std::vector<double> step;
  std::vector<double> loss;
  std::vector<double> bits_per_byte;
};

// Vectors of one entry a training step, ascending; NaN where a line has no such number.
struct MetricsHistory {
  std::vector<double> step;
  std::vector<double> loss;
  std::vector<double> grad_norm;
  std::vector<double> lr;
  std::vector<double> tokens_per_second;
  std::int64_t tokens = 0;                   // valid targets trained on by the last step
  double train_seconds = 0;                  // sum over the steps
  std::vector<ValidationCurve> validations;  // in order of appearance
};

// A missing file gives an empty history (a run that has not begun); so does an empty one. A last
// line torn by a kill is left out. Throws core::UserError naming file and line for anything else
// that is not such a log.
MetricsHistory read_metrics(const std::filesystem::path& file);

}  // namespace unfold::eval
