#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace unfold::cli {

void add_all_commands(CLI::App& app) {
  add_report_command(app);
  add_config_command(app);
}

void ConfigArguments::add_to(CLI::App& command) {
  command.add_option("CONFIG", file, "config file (YAML)")->required();
  // One value an option, so that a CONFIG may follow: --set a=1 --set b=2 CONFIG.
  command.add_option("--set", overrides, "change a key of the config; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void print(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  core::require(written && std::fflush(stdout) == 0, "output",
                "standard output: cannot be written: {}", std::strerror(errno));
}

}  // namespace unfold::cli
