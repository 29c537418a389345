#include "cli/command.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace unfold::cli {

void add_all_commands(CLI::App& app) {
  add_train_command(app);
  add_eval_command(app);
  add_generate_command(app);
  add_report_command(app);
  add_data_command(app);
  add_inspect_command(app);
  add_plan_command(app);
  add_bench_command(app);
  add_config_command(app);
}

void ConfigArguments::add_to(CLI::App& command) {
  command.add_option("CONFIG", file, "config file (YAML)")->required();
  // One value an option, so that a CONFIG may follow: --set a=1 --set b=2 CONFIG.
  command.add_option("--set", overrides, "change a key of the config; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& help) {
  // The type name lists the choices already, so the check adds no list of its own to --help.
  return command.add_option(name, value, help)
      ->type_name(fmt::format("{}", fmt::join(choices, "|")))
      ->check(CLI::IsMember(choices).description(""))
      ->capture_default_str();
}

void print(std::string_view text) {
  errno = 0;
  // Flushed before the message is made: a short text fails only then.
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  core::require(written, "output", "standard output: cannot be written: {}", std::strerror(errno));
}

}  // namespace unfold::cli
