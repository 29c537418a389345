// unfold doctor: whether the hosts of a run can work together. Started like the run itself:
//   mpirun -n 8 --hostfile hosts unfold doctor --folder FOLDER_OF_RUNS
#include <fmt/core.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/doctor/checks.h"
#include "cli/ranks.h"
#include "core/device.h"
#include "core/error.h"

namespace unfold::cli {
namespace {

void run_doctor(const doctor::Options& options) {
  run_on_ranks(options.device, [&](core::Communicator& world) {
    const doctor::Findings findings = doctor::examine(world, options);
    if (world.is_root()) print(findings.text);
    core::require(findings.problems.empty(), "doctor", "{} problem{} found: {}",
                  findings.problems.size(), findings.problems.size() == 1 ? "" : "s",
                  findings.problems.empty() ? "" : findings.problems.front());
  });
}

}  // namespace

void add_doctor_command(Command app) {
  Command command = app.add_subcommand(
      "doctor", "Check this machine, or all hosts of a run under mpirun, before training");
  command.group(kLookGroup);
  const auto options = std::make_shared<doctor::Options>();
  command.add_option("--folder", options->folder, "folder of runs: shared by all hosts? space?")
      .capture_default_str();
  command.add_option("--device", options->device, "default: cuda where there is a GPU")
      .type_name("cpu|cuda");
  command.add_option("--mib", options->mib, "MiB of the all-reduce that is timed")
      .is_positive()
      .capture_default_str();
  command.footer(
      "Start it as the training will be started:\n"
      "  mpirun -n 8 --hostfile hosts unfold doctor --folder runs\n"
      "Exit code 2 when something is wrong; the table says what.");
  command.callback([options] {
    if (options->device.empty()) options->device = core::cuda_device_count() > 0 ? "cuda" : "cpu";
    run_doctor(*options);
  });
}

}  // namespace unfold::cli
