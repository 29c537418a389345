#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/command.h"
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
         key == "data.prefetch" || key.starts_with("checkpoint.") || key.starts_with("eval.");
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

// Time of every kernel of a run, slowest first; the rest is what happens outside kernels.
std::string profile_table(const std::vector<core::KernelTime>& kernels, double seconds) {
  std::string table = fmt::format("{:<24} {:>9} {:>6} {:>9} {:>11}\n", "kernel", "seconds", "%",
                                  "calls", "ms a call");
  double rest = seconds;
  const auto add = [&](const std::string& name, double time, std::int64_t calls) {
    table += fmt::format("{:<24} {:>9.2f} {:>6.1f} ", name, time, time / seconds * 100);
    table += calls > 0
                 ? fmt::format("{:>9} {:>11.3f}\n", calls, time * 1e3 / static_cast<double>(calls))
                 : "\n";
  };
  for (const core::KernelTime& kernel : kernels) {
    add(kernel.name, kernel.seconds, kernel.calls);
    rest -= kernel.seconds;
  }
  add("outside kernels", rest, 0);
  return table;
}

void run_train(const Config& config, bool resume, bool profile) {
  if (resume) require_same_config(config);
  const train::TrainerConfig trainer = {config.run,        config.model,   config.gist,
                                        config.selection,  config.data,    config.train,
                                        config.checkpoint, to_yaml(config)};
  const auto world = core::make_single_process();
  if (profile) core::start_profile();
  const train::TrainSummary summary = train::train(trainer, resume, *world);
  print(fmt::format("trained {} parameters for {} steps in {}: {}\n",
                    core::format_count(static_cast<double>(summary.parameters)), summary.steps,
                    core::format_duration(summary.seconds), config.run.dir));
  if (!profile) return;
  const std::string table = profile_table(core::stop_profile(), summary.seconds);
  core::write_file_atomically(std::filesystem::path(config.run.dir) / "profile.txt", table);
  print(table);
}

}  // namespace

void add_train_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "train", "Train a model from a config; writes a run folder (config key run.dir)");
  command->group(kRunGroup);
  auto arguments = std::make_shared<ConfigArguments>();
  auto resume = std::make_shared<bool>(false);
  arguments->add_to(*command);
  command->add_flag("--resume", *resume,
                    "Go on from the newest checkpoint of run.dir, exactly where it was saved");
  auto profile = std::make_shared<bool>(false);
  command->add_flag("--profile", *profile,
                    "Print the time of every kernel at the end, and write it to profile.txt");
  command->callback(
      [arguments, resume, profile] { run_train(arguments->load(), *resume, *profile); });
}

}  // namespace unfold::cli
