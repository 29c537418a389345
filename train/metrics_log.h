// metrics.jsonl: what a training run measured, one JSON object a line.
//
// A step:
//   {"step": 120, "loss": 3.2, "grad_norm": 0.8, "lr": 9.1e-04, "tokens": 983040,
//    ["NAME": NUMBER, ...]
//    "time": {"seconds": 0.4, "tokens_per_second": 20480, "elapsed": 48.1, "eta": 72.0,
//             ["mfu": 0.41]}}
// A validation, written after the line of the same step:
//   {"step": 120, "val": {"full": {"loss": 3.1, "bits_per_byte": 1.9, "tokens": 16384},
//                         "gist_only": {...}}, "time": {"seconds": 2.0}}
//
//   step       optimizer steps done, from 1; 0 for a validation before the first
//   loss       mean cross-entropy per valid target, in nats
//   grad_norm  global gradient norm before clipping
//   tokens     valid targets trained on so far (in a validation: valid targets of that validation)
//   time       everything that depends on the clock, in seconds; eta to the last step; mfu, on a
//              GPU: share of the peak it measured at the start
//
// All but `time` is deterministic. Numbers are printed so that they read back exactly; a number
// that is not finite is null.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"

namespace unfold::train {

struct StepTime {
  double seconds = 0;
  double tokens_per_second = 0;
  double elapsed = 0;  // since this process began to train
  double eta = 0;
  double mfu = 0;  // share of the device's peak (train/speed.h); 0: not known
};

struct StepRecord {
  std::int64_t step = 0;
  double loss = 0;
  double grad_norm = 0;
  double lr = 0;
  std::int64_t tokens = 0;
  // Further deterministic numbers, e.g. the parts of the loss.
  std::vector<std::pair<std::string, double>> more;
  StepTime time;
};

struct ValidationLoss {
  std::string visibility;  // "full", "gist_only", "h_gsa"
  double loss = 0;
  double bits_per_byte = 0;
  std::int64_t tokens = 0;
};

struct ValidationRecord {
  std::int64_t step = 0;
  std::vector<ValidationLoss> losses;
  double seconds = 0;
};

class MetricsLog {
 public:
  // Starts a new log. Throws core::UserError when the file exists or cannot be written.
  static MetricsLog create(const std::filesystem::path& file);

  // Continues the log of a run that resumes after `step`: lines of later steps are removed, and so
  // is a last line torn by a kill. The shortened log is written beside and renamed. The result is
  // the log an uninterrupted run had, provided that every line of a step was written before its
  // checkpoint. A missing log is started anew with a warning. Throws core::UserError naming the
  // line that is neither of the two kinds above.
  static MetricsLog resume(const std::filesystem::path& file, std::int64_t step);

  // Each reaches the operating system before returning. Throws core::UserError on a full disk.
  void write(const StepRecord& record);
  void write(const ValidationRecord& record);
  // Flushes to the disk itself; call it before a checkpoint is written.
  void sync() { file_.sync(); }

 private:
  explicit MetricsLog(core::AppendFile file) : file_(std::move(file)) {}
  core::AppendFile file_;
};

}  // namespace unfold::train
