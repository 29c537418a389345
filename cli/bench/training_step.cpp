#include "cli/bench/training_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <span>
#include <utility>

#include "core/memory.h"
#include "core/random.h"
#include "train/gradient_dtype.h"
#include "train/step_windows.h"

namespace unfold::cli::bench {

data::Batch random_rows(const train::TrainerConfig& config, const train::TrainingLoss& loss,
                        std::int64_t rows, std::uint64_t stream) {
  const bool sft = config.train.objective == train::Objective::sft;
  const std::int64_t vocab_size = config.model.vocab_size;
  data::Batch batch = train::full_rows(loss.row_gists(), vocab_size, rows, config.train.row_length,
                                       sft ? config.train.row_length / 8 : 0);
  core::Random random(1, stream);
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.layout.level[i] >= 0) continue;
    batch.tokens[i] =
        static_cast<data::TokenId>(random.below(static_cast<std::uint32_t>(vocab_size)));
  }
  for (std::size_t i = 0; i + 1 < batch.tokens.size(); ++i) {
    if (batch.targets[i] >= 0) batch.targets[i] = batch.tokens[i + 1];
  }
  if (sft) train::drop_prefix_targets(batch);
  loss.prepare(batch);
  return batch;
}

TrainingStep::TrainingStep(const train::TrainerConfig& config, core::Device device,
                           core::Communicator& world)
    : config_(config),
      world_(world),
      plan_(train::make_plan(config, world.world_size())),
      bytes_before_(core::memory_stats(device).current),
      loss_(config.train, config.gist, config.selection),
      decoder_(config.model, config.gist.levels(), config.train.dtype, device, config.run.seed,
               config.gist.links),
      optimizer_(decoder_, config.train.optimizer, 0,
                 train::sharding_of(config.train.zero1, world.rank(), world.world_size())) {
  train::set_gradient_dtypes(decoder_, config.train, world.world_size());
  if (world.distributed()) parallel_.emplace(optimizer_, world, config.train);
  const std::vector<train::StepWindow> windows = train::step_windows(
      config.train.rows, config.train.micro_rows, world.rank(), world.world_size());
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (windows[i].count == 0) continue;
    const std::uint64_t stream = i * static_cast<std::uint64_t>(world.world_size()) +
                                 static_cast<std::uint64_t>(world.rank());
    data::Batch batch = random_rows(config, loss_, windows[i].count, stream);
    const train::StepTotals part = loss_.count(batch);
    micro_.push_back(loss_.ready(std::move(batch), device));
    totals_.targets += part.targets;
    totals_.raw_tokens += part.raw_tokens;
    totals_.suffix_queries += part.suffix_queries;
  }
  std::array<double, 3> totals = {totals_.targets, totals_.raw_tokens, totals_.suffix_queries};
  world.all_reduce_sum(std::span<double>(totals));
  totals_ = {totals[0], totals[1], totals[2]};
}

void TrainingStep::take() {
  models::ForwardOptions options;
  options.training = true;
  options.checkpoint_activations = config_.train.activation_checkpointing;
  options.seed = config_.run.seed;
  if (parallel_) options.before_use = [this](const auto& read) { parallel_->await(read); };
  for (const train::ReadyBatch& batch : micro_) {
    const bool last = parallel_ && config_.train.overlap && &batch == &micro_.back();
    loss_.accumulate(decoder_, batch, totals_, 0, options,
                     last ? [this] { parallel_->begin(); } : std::function<void()>());
  }
  if (parallel_) parallel_->finish();
  const core::Tensor squared_norm = optimizer_.squared_gradient_norm();
  const double lr = config_.train.optimizer.lr;
  parallel_ ? parallel_->prepare(lr) : optimizer_.prepare(lr);
  double squared = squared_norm.item();
  world_.all_reduce_sum(std::span<double>(&squared, 1));
  const double scale = 1.0 / std::max(1.0, std::sqrt(squared));
  parallel_ ? parallel_->step(scale) : optimizer_.step(scale);
}

std::int64_t TrainingStep::peak_bytes() const {
  return core::memory_stats(decoder_.device()).peak - bytes_before_;
}

void TrainingStep::forget_peak() {
  core::reset_peak(decoder_.device());
}

}  // namespace unfold::cli::bench
