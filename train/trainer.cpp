#include "train/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/comm/agreement.h"
#include "core/comm/world.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text_format.h"
#include "data/data_fingerprint.h"
#include "data/data_source.h"
#include "data/row_format.h"
#include "models/formats/checkpoint_folder.h"
#include "train/checkpoint_saver.h"
#include "train/data_parallel.h"
#include "train/gradient_dtype.h"
#include "train/optimizer.h"
#include "train/progress.h"
#include "train/run_files.h"
#include "train/run_setup.h"
#include "train/schedule.h"
#include "train/step_meter.h"
#include "train/step_reader.h"
#include "train/stop_signal.h"
#include "train/training_loss.h"
#include "train/validation.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;

// The terms of all micro-batches and the squared gradient norm: the one place of a step that waits
// for a GPU.
std::pair<LossTerms, double> read_step(const std::vector<PendingTerms>& pending,
                                       const core::Tensor& squared_norm,
                                       core::Communicator& world) {
  std::vector<core::Tensor> scalars;
  for (const PendingTerms& micro : pending) {
    for (const PendingTerms::Part& part : micro.parts) scalars.push_back(part.value);
  }
  scalars.push_back(squared_norm);
  const core::Waiting waiting(world);
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
  return {terms, left.front()};
}

// Ranks that differ would train on nonsense, or wait for each other for ever.
void require_same_start(const TrainerConfig& config, core::Communicator& world) {
  if (!world.distributed()) return;
  std::string config_text = config.resolved_yaml;
  require_agreement(
      world, {{"the program", core::program_fingerprint(), "start the same binary on all hosts"},
              {"the config", std::move(config_text), "give all ranks the same config and --set"}});
  const auto fingerprint = [&](const std::vector<std::string>& inputs) {
    return inputs.empty() ? std::string() : data::data_fingerprint(config.data, inputs);
  };
  const std::string advice = "give all hosts the same files";
  require_agreement(world, {{"data.train", fingerprint(config.data.train), advice},
                            {"data.val", fingerprint(config.data.val), advice}});
}

// The parts of a running training, in the order they are made.
class Trainer {
 public:
  Trainer(const TrainerConfig& config, Resume resume, core::Communicator& world);
  TrainSummary run();

 private:
  void restore(Resume resume);
  std::int64_t choose_checkpoint(Resume resume);
  StepRecord take_step();
  // The sums of all ranks; norm: the squared one of this rank's gradients.
  struct StepSums {
    LossTerms terms;
    double norm = 0;
  };
  StepSums sum_over_ranks(const LossTerms& part, double squared_norm);
  void validate_now();
  void save(bool is_best);
  bool due(std::int64_t every) const;
  [[noreturn]] void stop_unfinite(const char* what, double value, bool here);
  void stop_for(int signal);
  void summarise(std::int64_t first_step, double seconds);

  const TrainerConfig& config_;
  core::Communicator& world_;
  fs::path run_;
  std::unique_ptr<RunFiles> files_;  // of rank 0
  std::shared_ptr<const data::Tokenizer> tokenizer_;
  models::ModelDescription description_;
  models::Decoder decoder_;
  AdamW optimizer_;
  TrainingLoss loss_;
  TrainerState state_;
  std::vector<data::Batch> validation_;
  std::optional<StepReader> reader_;
  std::optional<DataParallel> parallel_;
  std::optional<CheckpointSaver> saver_;
  std::optional<StepMeter> meter_;  // of rank 0
  std::optional<TrainProgress> progress_;
  TrainSummary summary_;
  const StopSignal* stop_ = nullptr;
  int agreed_signal_ = 0;  // that any rank got
};

// Rank 0 looks at the folder before anybody writes into it.
std::unique_ptr<RunFiles> open_files(const TrainerConfig& config, Resume resume,
                                     core::Communicator& world) {
  if (!world.is_root()) return nullptr;
  return std::make_unique<RunFiles>(config, resume != Resume::no);
}

Trainer::Trainer(const TrainerConfig& config, Resume resume, core::Communicator& world)
    : config_(config),
      world_(world),
      run_(config.run.dir),
      files_(open_files(config, resume, world)),
      tokenizer_(data::load_tokenizer(config.data.tokenizer)),
      description_(describe_model(config, *tokenizer_)),
      decoder_(description_.decoder, config.gist.levels(), config.train.dtype,
               core::usable_device(core::device_of_rank(config.run.device, world.local_rank())),
               config.train.init_from.empty() ? std::optional(config.run.seed) : std::nullopt,
               config.gist.links),
      optimizer_(decoder_, config.train.optimizer, config.run.seed,
                 sharding_of(config.train.zero1, world.rank(), world.world_size())),
      loss_(config.train, config.gist, config.selection) {
  require_training_data(config);
  core::require(config.train.rows >= world.world_size(), "train",
                "train.rows = {} are too few for {} ranks: give every rank one row at least",
                config.train.rows, world.world_size());
  require_same_start(config, world);
  const data::RowFormat format = data::make_row_format(
      *tokenizer_, loss_.row_gists(), config.train.row_length, description_.decoder.vocab_size);
  if (config.train.val_every > 0 && !config.data.val.empty()) {
    validation_ = data::validation_batches(
        *data::open_rows(config.data, config.data.val, *tokenizer_, format), config.train.val_rows,
        largest_pass(config.train.rows, config.train.micro_rows, world.world_size()));
  }
  saver_.emplace(run_, description_, optimizer_, world, config.checkpoint);
  restore(resume);
  std::vector<StepWindow> windows =
      step_windows(config.train.rows, config.train.micro_rows, world.rank(), world.world_size());
  const bool alike = std::all_of(windows.begin(), windows.end(),
                                 [&](const StepWindow& each) { return each == windows.front(); });
  reader_.emplace(config_.train, loss_, decoder_.device(), world_, std::move(windows),
                  open_training_rows(config, *tokenizer_, format, state_.loader, alike),
                  state_.loader);
  set_gradient_dtypes(decoder_, config.train, world.world_size());
  if (world.distributed()) parallel_.emplace(optimizer_, world, config.train);
  reader_->read(state_.step);
  if (state_.step < config_.train.steps && world.is_root()) {
    TrainerConfig planned = config_;
    planned.model = description_.decoder;
    meter_.emplace(planned, decoder_.device(), world.world_size());
  }
  // Everything that can be wrong with the input has been found by now: only then leave traces.
  world_.barrier();
  if (files_ && resume == Resume::no) files_->start(*tokenizer_);
  if (files_ && resume != Resume::no) files_->go_on(state_.step, *tokenizer_);
  // A kill between a checkpoint and its mark as the best one leaves an old mark.
  if (files_ && saver_->saved_step() >= 0) models::write_best(run_, state_.best);
  if (meter_) meter_->tell_memory();
  progress_.emplace(config.train.steps, state_.step, config.train.log_every);
}

// Rank 0 finds and verifies the checkpoint for all. -1: none.
std::int64_t Trainer::choose_checkpoint(Resume resume) {
  std::array<std::int64_t, 1> step = {-1};
  if (world_.is_root() && resume != Resume::no) {
    step[0] = newest_checkpoint(run_, resume == Resume::latest_good);
  }
  world_.broadcast(std::as_writable_bytes(std::span(step)), 0);
  return step[0];
}

void Trainer::restore(Resume resume) {
  state_.loader.seed = config_.run.seed;
  const std::int64_t step = choose_checkpoint(resume);
  if (step >= 0) {
    state_ = load_checkpoint(run_, step, description_, decoder_, optimizer_, Verify::no);
    saver_->set_saved_step(state_.step);
    core::log::info("resuming {} from step {}", run_.string(), state_.step);
    return;
  }
  if (resume != Resume::no) {
    core::log::info("{} has no checkpoint yet: starting from step 0", run_.string());
  }
  if (!config_.train.init_from.empty()) {
    initialise_from(config_.train.init_from, description_, decoder_, optimizer_);
  }
}

// here: the value of this rank alone is none either.
void Trainer::stop_unfinite(const char* what, double value, bool here) {
  std::vector<std::int64_t> ranks(static_cast<std::size_t>(world_.world_size()));
  ranks[static_cast<std::size_t>(world_.rank())] = here ? 1 : 0;
  world_.all_reduce_sum(std::span<std::int64_t>(ranks));
  std::string whose;
  const auto count = std::count(ranks.begin(), ranks.end(), 1);
  if (world_.world_size() > 1 && count > 0 && count < world_.world_size()) {
    const auto first = std::find(ranks.begin(), ranks.end(), 1) - ranks.begin();
    whose = fmt::format(" on rank {}{}", first, count > 1 ? " and others" : "");
  }
  saver_->finish();
  const std::int64_t saved = saver_->saved_step();
  core::fail("train",
             "{}: step {}: {} is {}{}: stopped before the update{}: start a new run with a lower "
             "optimizer.lr",
             run_.string(), state_.step + 1, what, std::isnan(value) ? "not a number" : "infinite",
             whose, saved > 0 ? fmt::format(" (step {} is saved)", saved) : "");
}

Trainer::StepSums Trainer::sum_over_ranks(const LossTerms& part, double squared_norm) {
  std::array<double, 4 + std::size(kStopSignals)> sums = {part.cross_entropy, part.alignment,
                                                          part.routing, squared_norm};
  for (std::size_t i = 0; i < std::size(kStopSignals); ++i) {
    sums[4 + i] = stop_->received() == kStopSignals[i] ? 1 : 0;
  }
  world_.all_reduce_sum(std::span<double>(sums));
  for (std::size_t i = 0; i < std::size(kStopSignals); ++i) {
    if (sums[4 + i] > 0) agreed_signal_ = kStopSignals[i];
  }
  return {{sums[0], sums[1], sums[2]}, std::sqrt(sums[3])};
}

StepRecord Trainer::take_step() {
  const StepBatches step = reader_->take();
  std::vector<PendingTerms> pending;
  models::ForwardOptions options;
  options.training = true;
  options.checkpoint_activations = config_.train.activation_checkpointing;
  options.seed = config_.run.seed;
  options.stream = static_cast<std::uint64_t>(state_.step);
  if (parallel_) options.before_use = [this](const auto& read) { parallel_->await(read); };
  for (const StepBatches::Micro& micro : step.micro) {
    options.first_position = micro.first_row * config_.train.row_length;
    const bool last = parallel_ && config_.train.overlap && &micro == &step.micro.back();
    pending.push_back(
        loss_.accumulate(decoder_, micro.batch, step.totals, state_.step, options,
                         last ? [this] { parallel_->begin(); } : std::function<void()>()));
    world_.note_progress();
  }
  if (parallel_) parallel_->finish();
  const core::Tensor squared_norm = optimizer_.squared_gradient_norm();
  const double lr = config_.train.optimizer.lr *
                    schedule_factor(config_.train.schedule, state_.step, config_.train.steps);
  parallel_ ? parallel_->prepare(lr) : optimizer_.prepare(lr);
  reader_->look_ahead(state_.step + 1);
  const auto [part, norm_here] = read_step(pending, squared_norm, world_);
  const auto [terms, norm] = sum_over_ranks(part, norm_here);
  const double loss = loss_.loss(terms, step.totals, decoder_.config());
  const double loss_here = loss_.loss(part, step.totals, decoder_.config());
  if (!std::isfinite(loss)) stop_unfinite("the loss", loss, !std::isfinite(loss_here));
  if (!std::isfinite(norm)) stop_unfinite("the gradient norm", norm, false);
  const double clip = config_.train.optimizer.clip;
  const double scale = clip > 0 && norm > clip ? clip / norm : 1.0;
  saver_->before_update();
  parallel_ ? parallel_->step(scale) : optimizer_.step(scale);
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
  if (meter_) {
    meter_->add(record.time.seconds);
    record.time.mfu = meter_->mfu(record.time.seconds);
  }
  return record;
}

void Trainer::validate_now() {
  if (files_) progress_->clear();
  if (parallel_) parallel_->settle();
  const auto begin = std::chrono::steady_clock::now();
  ValidationRecord record;
  record.step = state_.step;
  record.losses = validate(decoder_, validation_, loss_.row_gists(), loss_.selection(), world_);
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (files_) files_->write(record);
  summary_.validation = record.losses;
  // The objective's own view of the data decides which checkpoint is best: gist where there is one.
  const double loss = record.losses.back().loss;
  if (std::isfinite(loss) && (!state_.best || loss < state_.best->loss)) {
    state_.best = models::BestCheckpoint{state_.step, loss};
    save(true);
  }
}

// Every line of the log is on the disk before the checkpoint that stands behind it. Training may
// end behind it: then nothing of other ranks is on its way any more.
void Trainer::save(bool is_best) {
  if (parallel_) parallel_->settle();
  if (files_ && saver_->saved_step() != state_.step) {
    files_->sync();
    progress_->clear();
  }
  saver_->save(state_, is_best);
}

bool Trainer::due(std::int64_t every) const {
  return state_.step == config_.train.steps || (every > 0 && state_.step % every == 0);
}

void Trainer::stop_for(int signal) {
  save(false);
  saver_->finish();
  if (files_) progress_->finish();
  core::log::info("saved step {} of {}: go on with --resume", state_.step, config_.train.steps);
  throw core::Interrupted(signal);
}

TrainSummary Trainer::run() {
  const StopSignal stop;
  stop_ = &stop;
  const auto begin = std::chrono::steady_clock::now();
  summary_.parameters = models::count_parameters(description_.decoder, description_.gist.rows());
  core::reset_peak(decoder_.device());
  world_.take_times();
  const std::int64_t first_step = state_.step;
  while (state_.step < config_.train.steps) {
    progress_->begin_step();
    const StepRecord record = take_step();
    if (files_) {
      files_->keep();
      files_->write(record);
      progress_->show(record);
    }
    summary_.loss = record.loss;
    if (!validation_.empty() && due(config_.train.val_every)) validate_now();
    if (due(config_.checkpoint.every)) save(false);
    const int signal = world_.distributed() ? agreed_signal_ : stop.received();
    if (signal != 0) stop_for(signal);
  }
  saver_->finish();
  if (files_) progress_->finish();
  summarise(first_step,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return summary_;
}

void Trainer::summarise(std::int64_t first_step, double seconds) {
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
  summary_.communication = world_.take_times();
  summary_.save_waited = saver_->waited_seconds();
  core::log::debug("training waited {:.3f} s for checkpoints", summary_.save_waited);
  summary_.seconds = seconds;
}

}  // namespace

TrainSummary train(const TrainerConfig& config, Resume resume, core::Communicator& world) {
  std::optional<Trainer> trainer;
  {
    const core::LongWork busy(world, "starting");
    trainer.emplace(config, resume, world);
  }
  return trainer->run();
}

}  // namespace unfold::train
