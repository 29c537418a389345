// unfold eval CONFIG|RUN: what a trained run can do, under each attention method.
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/ranks.h"
#include "cli/version.h"
#include "core/comm/world.h"
#include "core/error.h"
#include "core/file.h"
#include "eval/report/terminal_table.h"
#include "eval/runner.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

struct EvalArguments {
  std::string target;
  std::vector<std::string> overrides;
  std::string checkpoint = "last";
};

// The config that says what to evaluate; its run.dir is the run.
Config load_target(const EvalArguments& arguments) {
  const core::PathKind kind = core::path_kind(arguments.target);
  core::require(kind != core::PathKind::missing, "eval",
                "{}: no such run folder or config file: check the path, or train first (unfold "
                "train)",
                arguments.target);
  if (kind != core::PathKind::folder) {
    Config config = load_config(arguments.target, arguments.overrides);
    eval::require_run(config.run.dir);
    return config;
  }
  eval::require_run(arguments.target);
  for (const std::string& key : arguments.overrides) {
    core::require(!key.starts_with("run.dir="), "eval",
                  "--set {}: it is {} that is evaluated: leave run.dir out, or name a config file "
                  "instead of the folder",
                  key, arguments.target);
  }
  Config config = load_config(fs::path(arguments.target) / "config.yaml", arguments.overrides);
  config.run.dir = arguments.target;  // the folder may have been moved since it was trained
  return config;
}

// A config that describes another model than the checkpoint's would say wrong things about it.
void require_same_model(const Config& config, const eval::LoadedRun& run) {
  models::ModelDescription wanted = {config.model, config.gist,
                                     run.description.tokenizer_fingerprint};
  if (wanted.decoder.vocab_size == 0) {
    wanted.decoder.vocab_size = run.description.decoder.vocab_size;
  }
  const std::string other = models::first_difference(run.description, wanted);
  core::require(other.empty(), "eval",
                "{}: its checkpoint does not fit this config: {}: use the config it was trained "
                "with",
                config.run.dir, other);
}

// Ranks, started by mpirun or srun, share the samples of every task.
void run_eval(const Config& config, const std::string& checkpoint, core::Communicator& world) {
  const core::LongWork busy(world, "evaluating");
  const std::string device = core::device_of_rank(config.run.device, world.local_rank());
  eval::LoadedRun run =
      eval::load_run(config.run.dir, checkpoint, config.train.dtype, core::usable_device(device));
  require_same_model(config, run);
  const eval::EvalSettings settings = {
      config.eval,     config.gist,        config.data.val,     config.train.row_length,
      config.run.seed, config.data.format, config.data.on_long, config.selection};
  const eval::Results results =
      eval::evaluate(run, settings, {to_yaml(config), std::string(version())}, world);
  if (!world.is_root()) return;
  print(eval::results_table(results));
  print(fmt::format("step {}: {}\n", run.step, (run.folder / "results.json").string()));
}

}  // namespace

void add_eval_command(Command app) {
  Command command = app.add_subcommand(
      "eval",
      "Measure a trained run under each attention method; writes RUN/predictions and results.json");
  command.group(kRunGroup);
  const auto arguments = std::make_shared<EvalArguments>();
  command
      .add_option("CONFIG|RUN", arguments->target,
                  "config file (YAML) that a run was trained with, or the folder of the run")
      .required();
  command
      .add_option("--set", arguments->overrides,
                  "change a key of the config, such as eval.tasks; may be repeated")
      .type_name("KEY=VALUE")
      .one_value();
  command
      .add_option("--checkpoint", arguments->checkpoint,
                  "last, best (lowest validation loss), or a step")
      .type_name("last|best|STEP")
      .capture_default_str();
  command.footer(
      "Example:\n  unfold eval runs/demo --set 'eval.tasks=[recall, rag]' --set "
      "'eval.methods=[full, gsa]' --set 'eval.ratios=[8, 16]'");
  command.callback([arguments] {
    const Config config = load_target(*arguments);
    ignore_broken_pipes();
    run_on_ranks(config.run.device, [&](core::Communicator& world) {
      run_eval(config, arguments->checkpoint, world);
    });
  });
}

}  // namespace unfold::cli
