// Training steps without data: the trainer's own forward, backward and update, on random tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "train/data_parallel.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "train/trainer.h"
#include "train/training_loss.h"

namespace unfold::cli::bench {

// Full rows, as the plan counts them (train/plan.h), of uniformly random tokens. The same at every
// call; another `stream`, other tokens. For sft the last eighth of a row has the targets.
data::Batch random_rows(const train::TrainerConfig& config, const train::TrainingLoss& loss,
                        std::int64_t rows, std::uint64_t stream);

class TrainingStep {
 public:
  // Random weights. config.model.vocab_size must be set. Throws core::UserError when the device has
  // not enough memory, and as make_plan does.
  // world: this rank takes its share of the rows; must outlive the step.
  TrainingStep(const train::TrainerConfig& config, core::Device device, core::Communicator& world);

  // One optimizer step: all micro-batches, gradient norm, clipped update. Its last kernels may
  // still run on a GPU when it returns.
  void take();

  core::Device device() const { return decoder_.device(); }
  const train::Plan& plan() const { return plan_; }
  // Most bytes in use since forget_peak(), without what was in use before this was made.
  std::int64_t peak_bytes() const;
  void forget_peak();

 private:
  const train::TrainerConfig config_;
  core::Communicator& world_;
  train::Plan plan_;
  std::int64_t bytes_before_;
  train::TrainingLoss loss_;
  models::Decoder decoder_;
  train::AdamW optimizer_;
  std::optional<train::DataParallel> parallel_;
  std::vector<train::ReadyBatch> micro_;
  train::StepTotals totals_;
};

}  // namespace unfold::cli::bench
