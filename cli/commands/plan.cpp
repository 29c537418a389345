// unfold plan CONFIG: what a training would need.
#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace unfold::cli {

void add_plan_command(CLI::App& app) {
  static_cast<void>(app);
}

}  // namespace unfold::cli
