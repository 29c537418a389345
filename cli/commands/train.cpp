#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/bench/kernel_table.h"
#include "cli/command.h"
#include "cli/ranks.h"
#include "cli/trainer_config.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/profile.h"
#include "core/text_format.h"
#include "train/trainer.h"

namespace unfold::cli {
namespace {

// Keys that may change when a run goes on: none of them changes what a step computes, save for a
// schedule that ends with train.steps. run.dir: the folder may have moved.
bool may_change(const std::string& key) {
  return key == "run.dir" || key == "train.log_every" || key == "train.steps" ||
         key == "train.zero1" || key == "data.prefetch" || key.starts_with("checkpoint.") ||
         key.starts_with("eval.");
}

train::Resume resume_of(const std::string& word) {
  if (word.empty()) return train::Resume::no;
  return word == "latest" ? train::Resume::latest : train::Resume::latest_good;
}

// A resumed run must compute the same steps as before.
void require_same_config(const Config& config) {
  const std::filesystem::path file = std::filesystem::path(config.run.dir) / "config.yaml";
  if (!std::filesystem::exists(file)) return;  // the trainer says what is missing
  const Config stored = load_config(file);
  for (const Difference& difference : differing_keys(stored, config)) {
    core::require(may_change(difference.key), "resume",
                  "{}: {} was {} and is now {}: resume with the same value, or start a new run",
                  file.string(), difference.key, difference.left, difference.right);
    if (difference.key == "run.dir") continue;
    core::log::warning("{} was {} and is now {}", difference.key, difference.left,
                       difference.right);
  }
}

// On a GPU: how much of it the training used.
std::string speed_line(const train::TrainSummary& summary) {
  return fmt::format(
      "step {:.1f} ms, MFU {:.1f} % of {:.0f} TFLOP/s measured; at the speed of light it would "
      "take "
      "{:.1f} ms: {:.0f} % of it; peak memory {}, planned {}\n",
      summary.step_seconds * 1e3, summary.mfu * 100, summary.peak_flops * 1e-12,
      summary.speed_of_light * 1e3, summary.speed_of_light / summary.step_seconds * 100,
      core::format_bytes(static_cast<double>(summary.peak_bytes)),
      core::format_bytes(static_cast<double>(summary.planned_bytes)));
}

// Of many ranks: how much of the communication cost time.
std::string communication_line(const train::TrainSummary& summary) {
  const double steps = static_cast<double>(std::max<std::int64_t>(1, summary.steps_here));
  return fmt::format(
      "communication: {:.3f} ms a step in sums of gradients{}, {:.1f} % of it hidden behind other "
      "work\n",
      summary.communication.seconds / steps * 1e3, " and exchange of parameters",
      summary.communication.hidden_share() * 100);
}

void run_train(const Config& config, train::Resume resume, bool profile,
               core::Communicator& world) {
  if (resume != train::Resume::no) require_same_config(config);
  const train::TrainerConfig trainer = trainer_config(config, to_yaml(config));
  if (profile) core::start_profile();
  const train::TrainSummary summary = train::train(trainer, resume, world);
  if (!world.is_root()) return;
  print(fmt::format("trained {} parameters for {} steps in {}: {}\n",
                    core::format_count(static_cast<double>(summary.parameters)), summary.steps,
                    core::format_duration(summary.seconds), config.run.dir));
  if (summary.mfu > 0) print(speed_line(summary));
  if (summary.communication.seconds > 0) print(communication_line(summary));
  if (!profile) return;
  const std::string table = bench::to_text(
      {bench::kernel_table(core::stop_profile(), summary.seconds, summary.steps_here)});
  core::write_file_atomically(std::filesystem::path(config.run.dir) / "profile.txt", table);
  print(table);
}

}  // namespace

void add_train_command(Command app) {
  Command command = app.add_subcommand(
      "train", "Train a model from a config; writes a run folder (config key run.dir)");
  command.group(kRunGroup);
  auto arguments = std::make_shared<ConfigArguments>();
  auto resume = std::make_shared<std::string>();
  arguments->add_to(command);
  command.add_flag_choice(
      "--resume", *resume, {"latest", "latest-good"},
      "Go on from the newest checkpoint of run.dir, exactly where it was saved; latest-good passes "
      "over damaged ones");
  auto profile = std::make_shared<bool>(false);
  command.add_flag("--profile", *profile,
                   "Print the time of every kernel at the end, and write it to profile.txt");
  command.callback([arguments, resume, profile] {
    const Config config = arguments->load();
    ignore_broken_pipes();
    run_on_ranks(config.run.device, [&](core::Communicator& world) {
      run_train(config, resume_of(*resume), *profile, world);
    });
  });
}

}  // namespace unfold::cli
