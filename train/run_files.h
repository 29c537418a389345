// The files of a run besides checkpoints: its folder, metrics.jsonl, TensorBoard events, and the
// progress line. Rank 0 has them; to the other ranks they are nothing.
#pragma once

#include <filesystem>
#include <optional>

#include "core/file.h"
#include "train/metrics_log.h"
#include "train/run_setup.h"
#include "train/tensorboard.h"

namespace unfold::train {

class RunFiles {
 public:
  // Throws core::UserError: a new run's folder is not free, one to be resumed is none, or another
  // process trains into it.
  RunFiles(const TrainerConfig& config, bool resume);

  // Everything that can be wrong with the input has been found: makes the folder, or goes on behind
  // `step`.
  void start(const data::Tokenizer& tokenizer);
  void go_on(std::int64_t step, const data::Tokenizer& tokenizer);
  // A step is done: a new folder stays.
  void keep();

  void write(const StepRecord& record);
  // Also the line for people.
  void write(const ValidationRecord& record);
  // Flushes the log to the disk itself.
  void sync() { log_->sync(); }

 private:
  const TrainerConfig& config_;
  std::filesystem::path run_;
  std::optional<core::FolderLock> lock_;
  std::optional<NewRunFolder> new_folder_;  // goes, unless keep() is called
  std::optional<MetricsLog> log_;
  std::optional<TensorboardWriter> board_;
};

}  // namespace unfold::train
