// Reads the rows of every optimizer step, one step ahead: on a GPU the host reads and makes maps
// while the device computes.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "core/comm/communicator.h"
#include "data/loader.h"
#include "train/step_windows.h"
#include "train/train_config.h"
#include "train/training_loss.h"

namespace unfold::train {

// This rank's micro-batches of one optimizer step, and what their losses are divided by.
struct StepBatches {
  struct Micro {
    ReadyBatch batch;
    std::int64_t first_row = 0;  // of the step
  };
  std::vector<Micro> micro;
  StepTotals totals;        // over all ranks
  data::LoaderState after;  // where the next step begins
};

class StepReader {
 public:
  // config, loss and world must outlive it. loader begins at `start`.
  StepReader(const TrainConfig& config, const TrainingLoss& loss, core::Device device,
             core::Communicator& world, std::vector<StepWindow> windows,
             std::unique_ptr<data::BatchSource> loader, const data::LoaderState& start);

  // Reads step `step` (from 0), the next one, unless it is there or the last one is over.
  // Collective, as the totals are. Throws core::UserError: a step none of whose tokens carries a
  // loss, damaged data. An error of one rank is thrown on all.
  void read(std::int64_t step);
  // The same once the work of the step in front is under way: that one is good, so an error of this
  // one is thrown when it is taken.
  void look_ahead(std::int64_t step);
  // What was read. With train.overfit_one_batch the first step for ever.
  StepBatches take();

 private:
  StepBatches next(std::int64_t step);
  void read_own(StepBatches& step);
  [[noreturn]] void fail_together(const std::exception_ptr& error);

  const TrainConfig& config_;
  const TrainingLoss& loss_;
  core::Device device_;
  core::Communicator& world_;
  std::vector<StepWindow> windows_;
  std::unique_ptr<data::BatchSource> loader_;
  data::LoaderState start_;
  std::optional<StepBatches> ahead_;
  std::exception_ptr error_;
};

}  // namespace unfold::train
