#include "train/trainer.h"

#include <array>
#include <chrono>
#include <cmath>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text_format.h"
#include "data/data_source.h"
#include "data/loader.h"
#include "data/row_format.h"
#include "models/formats/checkpoint_folder.h"
#include "train/optimizer.h"
#include "train/progress.h"
#include "train/run_checkpoint.h"
#include "train/run_setup.h"
#include "train/schedule.h"
#include "train/step_meter.h"
#include "train/stop_signal.h"
#include "train/tensorboard.h"
#include "train/training_loss.h"
#include "train/validation.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;

// The terms of all micro-batches and the gradient norm: the one place of a step that waits for a
// GPU.
std::pair<LossTerms, double> read_step(const std::vector<PendingTerms>& pending,
                                       const core::Tensor& squared_norm) {
  std::vector<core::Tensor> scalars;
  for (const PendingTerms& micro : pending) {
    for (const PendingTerms::Part& part : micro.parts) scalars.push_back(part.value);
  }
  scalars.push_back(squared_norm);
  const std::vector<double> values = core::items(scalars);
  std::span<const double> left = values;
  LossTerms terms;
  for (const PendingTerms& micro : pending) {
    const LossTerms part = micro.sum(left.first(micro.parts.size()));
    left = left.subspan(micro.parts.size());
    terms.cross_entropy += part.cross_entropy;
    terms.alignment += part.alignment;
    terms.routing += part.routing;
  }
  return {terms, std::sqrt(left.front())};
}

// The parts of a running training, in the order they are made.
class Trainer {
 public:
  Trainer(const TrainerConfig& config, bool resume, core::Communicator& world);
  TrainSummary run();

 private:
  // Micro-batches of one optimizer step and what their losses are divided by.
  struct StepBatches {
    std::vector<ReadyBatch> micro;
    StepTotals totals;
    data::LoaderState after;  // where the next step begins
  };

  void restore(bool resume);
  void start_files();
  void continue_files();
  // Of step `step` (from 0), the next one that the loader has.
  StepBatches next_batches(std::int64_t step);
  void look_ahead();
  StepRecord take_step();
  void validate_now();
  void save(bool is_best);
  bool due(std::int64_t every) const;
  [[noreturn]] void stop_unfinite(const char* what, double value) const;

  const TrainerConfig& config_;
  core::Communicator& world_;
  fs::path run_;
  std::shared_ptr<const data::Tokenizer> tokenizer_;
  models::ModelDescription description_;
  models::Decoder decoder_;
  AdamW optimizer_;
  TrainingLoss loss_;
  TrainerState state_;
  std::vector<data::Batch> validation_;
  std::unique_ptr<data::BatchSource> loader_;
  std::optional<core::FolderLock> lock_;    // of the run's folder
  std::optional<NewRunFolder> new_folder_;  // goes, unless the first step is done
  std::optional<MetricsLog> log_;
  std::optional<TensorboardWriter> board_;
  std::optional<StepMeter> meter_;
  std::optional<TrainProgress> progress_;
  std::optional<StepBatches> ahead_;  // read before its step; kept by overfit_one_batch
  std::exception_ptr ahead_error_;    // why they could not be read: thrown when their step comes
  TrainSummary summary_;
  std::int64_t saved_step_ = -1;
};

Trainer::Trainer(const TrainerConfig& config, bool resume, core::Communicator& world)
    : config_(config),
      world_(world),
      run_(config.run.dir),
      tokenizer_(data::load_tokenizer(config.data.tokenizer)),
      description_(describe_model(config, *tokenizer_)),
      decoder_(description_.decoder, config.gist.levels(), config.train.dtype,
               core::usable_device(config.run.device), config.run.seed, config.gist.links),
      optimizer_(decoder_, config.train.optimizer, config.run.seed),
      loss_(config.train, config.gist, config.selection) {
  resume ? require_run_folder(config) : require_free_run_folder(config);
  if (resume) lock_.emplace(run_);
  require_training_data(config);
  const data::RowFormat format = data::make_row_format(
      *tokenizer_, loss_.row_gists(), config.train.row_length, description_.decoder.vocab_size);
  const std::int64_t local_rows = config.train.rows / world.world_size();
  const std::int64_t micro = config.train.micro_rows > 0 ? config.train.micro_rows : local_rows;
  if (config.train.val_every > 0 && !config.data.val.empty()) {
    validation_ = data::validation_batches(
        *data::open_rows(config.data, config.data.val, *tokenizer_, format), config.train.val_rows,
        micro);
  }
  restore(resume);
  loader_ = open_training_rows(config, *tokenizer_, format, state_.loader);
  if (state_.step < config.train.steps) ahead_ = next_batches(state_.step);
  if (state_.step < config_.train.steps) {
    TrainerConfig planned = config_;
    planned.model = description_.decoder;
    meter_.emplace(planned, decoder_.device());
  }
  // Everything that can be wrong with the input has been found by now: only then leave traces.
  resume ? continue_files() : start_files();
  if (meter_) meter_->tell_memory();
  progress_.emplace(config.train.steps, state_.step, config.train.log_every);
}

void Trainer::start_files() {
  new_folder_.emplace(config_, *tokenizer_);
  lock_.emplace(run_);
  log_.emplace(MetricsLog::create(run_ / "metrics.jsonl"));
  board_.emplace(run_);
  board_->text("config", 0, config_.resolved_yaml);
}

void Trainer::continue_files() {
  log_.emplace(MetricsLog::resume(run_ / "metrics.jsonl", state_.step));
  board_.emplace(run_, state_.step);
  // Of the keys that may change on the way, the file tells the newest values.
  const fs::path config = run_ / "config.yaml";
  if (core::read_text_file(config) != config_.resolved_yaml) {
    core::write_file_atomically(config, config_.resolved_yaml);
    board_->text("config", state_.step, config_.resolved_yaml);
  }
  // A kill between a checkpoint and its mark as the best one leaves an old mark.
  if (saved_step_ >= 0) models::write_best(run_, state_.best);
}

void Trainer::restore(bool resume) {
  state_.loader.seed = config_.run.seed;
  const std::vector<std::int64_t> steps =
      resume ? models::list_checkpoints(run_) : std::vector<std::int64_t>{};
  if (!steps.empty()) {
    state_ = load_checkpoint(run_, steps.back(), description_, decoder_, optimizer_);
    saved_step_ = state_.step;
    core::log::info("resuming {} from step {}", run_.string(), state_.step);
    return;
  }
  if (resume) core::log::info("{} has no checkpoint yet: starting from step 0", run_.string());
  if (!config_.train.init_from.empty()) {
    initialise_from(config_.train.init_from, description_, decoder_);
    optimizer_ = AdamW(decoder_, config_.train.optimizer, config_.run.seed);
  }
}

Trainer::StepBatches Trainer::next_batches(std::int64_t step_index) {
  const auto ranks = static_cast<std::int64_t>(world_.world_size());
  const std::int64_t local = config_.train.rows / ranks;
  const std::int64_t micro = config_.train.micro_rows > 0 ? config_.train.micro_rows : local;
  StepBatches step;
  std::array<double, 3> counts = {0, 0, 0};
  for (std::int64_t done = 0; done < local; done += micro) {
    data::Batch batch = loader_->next(micro * ranks, world_.rank() * micro, micro);
    loss_.prepare(batch);
    const StepTotals part = loss_.count(batch);
    counts[0] += part.targets;
    counts[1] += part.raw_tokens;
    counts[2] += part.suffix_queries;
    step.micro.push_back(loss_.ready(std::move(batch), decoder_.device()));
  }
  world_.all_reduce_sum(std::span<double>(counts));
  step.totals = {counts[0], counts[1], counts[2]};
  core::require(step.totals.targets > 0, "train", "step {}: no token of its rows carries a loss{}",
                step_index + 1,
                config_.train.cpt.prefix_loss
                    ? ": check data.train"
                    : ", since every document ends with a gist: set cpt.prefix_loss: true");
  // overfit_one_batch: a run that resumes takes the same batch again.
  step.after = config_.train.overfit_one_batch ? state_.loader : loader_->state();
  return step;
}

// Prepares the next step. Called when all work of this one is launched, so that on a GPU the host
// reads rows and makes maps while the device computes.
void Trainer::look_ahead() {
  if (ahead_ || state_.step + 1 >= config_.train.steps) return;
  try {
    ahead_ = next_batches(state_.step + 1);
  } catch (...) {
    ahead_error_ = std::current_exception();  // this step is good: it is finished first
  }
}

void Trainer::stop_unfinite(const char* what, double value) const {
  core::fail("train",
             "{}: step {}: {} is {}: stopped before the update{}: start a new run with a lower "
             "optimizer.lr",
             run_.string(), state_.step + 1, what, std::isnan(value) ? "not a number" : "infinite",
             saved_step_ > 0 ? fmt::format(" (step {} is saved)", saved_step_) : "");
}

StepRecord Trainer::take_step() {
  if (ahead_error_) std::rethrow_exception(std::exchange(ahead_error_, nullptr));
  const StepBatches step =
      config_.train.overfit_one_batch ? *ahead_ : *std::exchange(ahead_, std::nullopt);
  std::vector<PendingTerms> pending;
  models::ForwardOptions options;
  options.training = true;
  options.checkpoint_activations = config_.train.activation_checkpointing;
  options.seed = config_.run.seed;
  for (std::size_t i = 0; i < step.micro.size(); ++i) {
    options.stream = (static_cast<std::uint64_t>(state_.step) * step.micro.size() + i) *
                         static_cast<std::uint64_t>(world_.world_size()) +
                     static_cast<std::uint64_t>(world_.rank());
    pending.push_back(loss_.accumulate(decoder_, step.micro[i], step.totals, state_.step, options));
  }
  const core::Tensor squared_norm = optimizer_.squared_gradient_norm();
  look_ahead();
  const auto [part, norm] = read_step(pending, squared_norm);
  std::array<double, 3> sums = {part.cross_entropy, part.alignment, part.routing};
  world_.all_reduce_sum(std::span<double>(sums));
  const LossTerms terms = {sums[0], sums[1], sums[2]};
  const double loss = loss_.loss(terms, step.totals, decoder_.config());
  if (!std::isfinite(loss)) stop_unfinite("the loss", loss);
  if (!std::isfinite(norm)) stop_unfinite("the gradient norm", norm);
  const double clip = config_.train.optimizer.clip;
  const double scale = clip > 0 && norm > clip ? clip / norm : 1.0;
  const double lr = config_.train.optimizer.lr *
                    schedule_factor(config_.train.schedule, state_.step, config_.train.steps);
  optimizer_.step(lr, scale);
  ++state_.step;
  state_.tokens += static_cast<std::int64_t>(step.totals.targets);
  state_.loader = step.after;
  StepRecord record;
  record.step = state_.step;
  record.loss = loss;
  record.grad_norm = norm;
  record.lr = lr;
  record.tokens = state_.tokens;
  if (config_.train.cpt.alignment > 0) {
    record.more.emplace_back("alignment", terms.alignment / std::max(1.0, step.totals.raw_tokens));
  }
  if (config_.train.routing_weight > 0) {
    record.more.emplace_back("routing", loss_.mean_routing(terms, step.totals, decoder_.config()));
  }
  record.time = progress_->end_step(static_cast<std::int64_t>(step.totals.targets));
  meter_->add(record.time.seconds);
  record.time.mfu = meter_->mfu(record.time.seconds);
  return record;
}

void Trainer::validate_now() {
  progress_->clear();
  const auto begin = std::chrono::steady_clock::now();
  ValidationRecord record;
  record.step = state_.step;
  record.losses = validate(decoder_, validation_, loss_.row_gists(), loss_.selection(), world_);
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  log_->write(record);
  std::string line = fmt::format("validation at step {}:", state_.step);
  for (const ValidationLoss& loss : record.losses) {
    board_->scalar("val/loss/" + loss.visibility, state_.step, loss.loss);
    board_->scalar("val/bits_per_byte/" + loss.visibility, state_.step, loss.bits_per_byte);
    line += fmt::format("  {} {:.4f} nats, {:.4f} bits per byte", loss.visibility, loss.loss,
                        loss.bits_per_byte);
  }
  core::log::info("{}", line);
  summary_.validation = record.losses;
  // The objective's own view of the data decides which checkpoint is best: gist where there is one.
  const double loss = record.losses.back().loss;
  if (std::isfinite(loss) && (!state_.best || loss < state_.best->loss)) {
    state_.best = models::BestCheckpoint{state_.step, loss};
    save(true);
  }
}

void Trainer::save(bool is_best) {
  if (saved_step_ != state_.step) {
    log_->sync();
    progress_->clear();
    save_checkpoint(run_, decoder_, description_, optimizer_, state_);
    saved_step_ = state_.step;
  }
  if (is_best) models::write_best(run_, state_.best);
  models::prune_checkpoints(run_, config_.checkpoint.keep);
}

bool Trainer::due(std::int64_t every) const {
  return state_.step == config_.train.steps || (every > 0 && state_.step % every == 0);
}

TrainSummary Trainer::run() {
  const StopSignal stop;
  const auto begin = std::chrono::steady_clock::now();
  summary_.parameters = models::count_parameters(description_.decoder, description_.gist.rows());
  core::reset_peak(decoder_.device());
  const std::int64_t first_step = state_.step;
  while (state_.step < config_.train.steps) {
    progress_->begin_step();
    const StepRecord record = take_step();
    if (new_folder_) new_folder_->keep();
    log_->write(record);
    board_->scalar("train/loss", record.step, record.loss);
    board_->scalar("train/grad_norm", record.step, record.grad_norm);
    board_->scalar("train/lr", record.step, record.lr);
    board_->scalar("train/tokens_per_second", record.step, record.time.tokens_per_second);
    if (record.time.mfu > 0) board_->scalar("train/mfu", record.step, record.time.mfu);
    progress_->show(record);
    summary_.loss = record.loss;
    if (!validation_.empty() && due(config_.train.val_every)) validate_now();
    if (due(config_.checkpoint.every)) save(false);
    if (const int signal = stop.received(); signal != 0) {
      save(false);
      progress_->finish();
      core::log::info("saved step {} of {}: go on with --resume", state_.step, config_.train.steps);
      throw core::Interrupted(signal);
    }
  }
  progress_->finish();
  summary_.steps = state_.step;
  summary_.steps_here = state_.step - first_step;
  if (meter_) {
    summary_.planned_bytes = meter_->planned_bytes();
    summary_.step_seconds = meter_->median_seconds();
    summary_.mfu = meter_->mfu(summary_.step_seconds);
    summary_.peak_flops = meter_->peak_flops();
    summary_.speed_of_light = meter_->speed_of_light();
  }
  summary_.peak_bytes = core::memory_stats(decoder_.device()).peak;
  summary_.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return summary_;
}

}  // namespace

TrainSummary train(const TrainerConfig& config, bool resume, core::Communicator& world) {
  return Trainer(config, resume, world).run();
}

}  // namespace unfold::train
