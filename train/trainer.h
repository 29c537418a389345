// Training from a resolved configuration to a run folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "data/data_config.h"
#include "gsa/gist_config.h"
#include "gsa/selection.h"
#include "models/decoder_config.h"
#include "train/metrics_log.h"
#include "train/train_config.h"

namespace unfold::train {

struct TrainerConfig {
  RunConfig run;
  models::DecoderConfig model;  // vocab_size 0: the tokenizer's
  gsa::GistConfig gist;
  gsa::SelectionConfig selection;  // of sft
  data::DataConfig data;
  TrainConfig train;
  CheckpointConfig checkpoint;
  std::string resolved_yaml;  // stored as RUN/config.yaml
};

// Where a training begins. latest_good: the newest checkpoint that is whole.
enum class Resume { no, latest, latest_good };

struct TrainSummary {
  std::int64_t steps = 0;
  std::int64_t parameters = 0;
  double loss = 0;                         // of the last step
  std::vector<ValidationLoss> validation;  // the last one
  std::int64_t peak_bytes = 0;             // of device memory, as accounted
  std::int64_t planned_bytes = 0;          // what the plan said; 0: it could not be planned
  std::int64_t steps_here = 0;             // steps of this process
  // Of a step in the middle (train/step_meter.h); all but the first are 0 on the CPU.
  double step_seconds = 0;
  double mfu = 0;
  double peak_flops = 0;             // that mfu is a share of
  double speed_of_light = 0;         // seconds a step would take at the roofline
  core::OverlapTimes communication;  // of the tensor collectives
  double save_waited = 0;            // seconds that training stood still for checkpoints
  double seconds = 0;
};

// Trains and writes RUN: config.yaml, tokenizer.json (when the tokenizer has a file),
// metrics.jsonl, TensorBoard events and checkpoints/step-N. With `resume` it goes on from the
// newest checkpoint, or from the start when there is none yet; the result equals that of an
// undisturbed run bit for bit.
//
// All ranks of `world` call it alike. Each takes its share of the rows of every step
// (train/step_windows.h), and gradients are summed over ranks (train/data_parallel.h), so that
// losses agree with those of one rank but for the order of sums. A run may go on with another
// number of ranks, and with or without train.zero1. Rank 0 writes all files.
//
// A new run that fails before its first step is done (out of memory, above all) leaves no folder,
// so that it can be started again with other values.
//
// Throws core::UserError: the run folder exists (without resume), data or tokenizer do not fit, a
// checkpoint is damaged or of another architecture, the disk is full, the loss or the gradient norm
// is not finite (before the update), another process trains into the same folder, ranks that were
// started with different programs, configs or data, fewer rows than ranks. Throws core::Interrupted
// after saving on a stop signal (train/stop_signal.h) to any rank, core::RankLost when another rank
// is lost.
TrainSummary train(const TrainerConfig& config, Resume resume, core::Communicator& world);

}  // namespace unfold::train
