#include "cli/command.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace unfold::cli {

void add_all_commands(Command app) {
  add_train_command(app);
  add_eval_command(app);
  add_generate_command(app);
  add_report_command(app);
  add_score_command(app);
  add_data_command(app);
  add_import_command(app);
  add_export_command(app);
  add_inspect_command(app);
  add_tokenize_command(app);
  add_detokenize_command(app);
  add_plan_command(app);
  add_doctor_command(app);
  add_bench_command(app);
  add_config_command(app);
}

void ConfigArguments::add_to(Command command) {
  command.add_option("CONFIG", file, "config file (YAML)").required();
  // One value an option, so that a CONFIG may follow: --set a=1 --set b=2 CONFIG.
  command.add_option("--set", overrides, "change a key of the config; may be repeated")
      .type_name("KEY=VALUE")
      .one_value();
}

void ignore_broken_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

void print(std::string_view text) {
  errno = 0;
  // Flushed before the message is made: a short text fails only then.
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  core::require(written, "output", "standard output: cannot be written: {}", std::strerror(errno));
}

}  // namespace unfold::cli
