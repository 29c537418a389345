#include "train/step_reader.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

void StepReader::read_own(StepBatches& step) {
  std::int64_t rows = 0;  // of the passes so far
  for (const StepWindow& window : windows_) {
    data::Batch batch = loader_->next(window.total, window.first, window.count);
    const std::int64_t first_row = std::exchange(rows, rows + window.total) + window.first;
    if (window.count == 0) continue;
    loss_.prepare(batch);
    const StepTotals part = loss_.count(batch);
    step.totals.targets += part.targets;
    step.totals.raw_tokens += part.raw_tokens;
    step.totals.suffix_queries += part.suffix_queries;
    step.micro.push_back({loss_.ready(std::move(batch), device_), first_row});
  }
}

// error: of this rank; null: of others. All of them throw: those without one what the first says.
void StepReader::fail_together(const std::exception_ptr& error) {
  std::vector<std::int64_t> failed(static_cast<std::size_t>(world_.world_size()), 0);
  failed[static_cast<std::size_t>(world_.rank())] = error ? 1 : 0;
  world_.all_reduce_sum(std::span<std::int64_t>(failed));
  const auto first = static_cast<int>(std::find(failed.begin(), failed.end(), 1) - failed.begin());
  std::string own;
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::exception& thrown) {
    own = thrown.what();
  } catch (...) {
    own = "an error of unknown type";
  }
  const std::string what = world_.broadcast(own, first);
  if (error) std::rethrow_exception(error);
  core::fail("train", "rank {} cannot go on: {}", first, what);
}

StepBatches StepReader::next(std::int64_t step_index) {
  StepBatches step;
  // An error of this rank alone must not keep it from the sum, where the others wait for it.
  std::exception_ptr error;
  try {
    read_own(step);
  } catch (...) {
    error = std::current_exception();
  }
  std::array<double, 4> sums = {step.totals.targets, step.totals.raw_tokens,
                                step.totals.suffix_queries, error ? 1.0 : 0.0};
  world_.all_reduce_sum(std::span<double>(sums));
  if (sums[3] > 0) fail_together(error);
  step.totals = {sums[0], sums[1], sums[2]};
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
