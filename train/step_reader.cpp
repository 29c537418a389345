#include "train/step_reader.h"

#include <array>
#include <span>
#include <utility>

#include "core/error.h"

namespace unfold::train {

StepReader::StepReader(const TrainConfig& config, const TrainingLoss& loss, core::Device device,
                       core::Communicator& world, std::vector<StepWindow> windows,
                       std::unique_ptr<data::BatchSource> loader, const data::LoaderState& start)
    : config_(config),
      loss_(loss),
      device_(device),
      world_(world),
      windows_(std::move(windows)),
      loader_(std::move(loader)),
      start_(start) {}

void StepReader::read(std::int64_t step) {
  if (!ahead_ && step < config_.steps) ahead_ = next(step);
}

void StepReader::look_ahead(std::int64_t step) {
  try {
    read(step);
  } catch (const core::RankLost&) {
    throw;
  } catch (...) {
    error_ = std::current_exception();
  }
}

StepBatches StepReader::take() {
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return config_.overfit_one_batch ? *ahead_ : *std::exchange(ahead_, std::nullopt);
}

StepBatches StepReader::next(std::int64_t step_index) {
  StepBatches step;
  std::array<double, 3> counts = {0, 0, 0};
  std::int64_t rows = 0;  // of the passes so far
  for (const StepWindow& window : windows_) {
    data::Batch batch = loader_->next(window.total, window.first, window.count);
    const std::int64_t first_row = std::exchange(rows, rows + window.total) + window.first;
    if (window.count == 0) continue;
    loss_.prepare(batch);
    const StepTotals part = loss_.count(batch);
    counts[0] += part.targets;
    counts[1] += part.raw_tokens;
    counts[2] += part.suffix_queries;
    step.micro.push_back({loss_.ready(std::move(batch), device_), first_row});
  }
  world_.all_reduce_sum(std::span<double>(counts));
  step.totals = {counts[0], counts[1], counts[2]};
  core::require(step.totals.targets > 0, "train", "step {}: no token of its rows carries a loss{}",
                step_index + 1,
                config_.cpt.prefix_loss
                    ? ": check data.train"
                    : ", since every document ends with a gist: set cpt.prefix_loss: true");
  // overfit_one_batch: a run that resumes takes the same batch again.
  step.after = config_.overfit_one_batch ? start_ : loader_->state();
  return step;
}

}  // namespace unfold::train
