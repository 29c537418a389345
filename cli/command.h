// Commands: `unfold NAME ...`. A command is one file, cli/commands/NAME.cpp, whose function below
// registers a CLI11 subcommand with its options and a callback that runs it.
//
// A callback throws core::UserError (exit code 2), core::Interrupted (128 + signal) or anything
// else (a bug, exit code 70); cli/main.cpp turns exceptions into exit codes and one line on
// standard error. Results go to standard output through print(), for people's eyes to standard
// error through core/log.h.
//
// To add a command: write the file, declare it here and call it in add_all_commands().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace unfold::cli {

// Headings of `unfold --help`.
inline constexpr const char* kRunGroup = "Train and evaluate";
inline constexpr const char* kDataGroup = "Prepare";
inline constexpr const char* kLookGroup = "Look inside";

void add_train_command(CLI::App& app);     // train
void add_eval_command(CLI::App& app);      // eval
void add_generate_command(CLI::App& app);  // generate
void add_report_command(CLI::App& app);    // report RUN
void add_data_command(CLI::App& app);      // data train-tokenizer, tokenize, synthesize
void add_inspect_command(CLI::App& app);   // inspect visibility, insertion, selection, rows
void add_plan_command(CLI::App& app);      // plan CONFIG
void add_bench_command(CLI::App& app);     // bench cpu, selection, train, attention, decode, gpu
void add_config_command(CLI::App& app);    // config show, config reference

// All of the above, in the order --help lists them.
void add_all_commands(CLI::App& app);

// The arguments of every command that takes a config: CONFIG [--set KEY=VALUE]...
// Bound to the app's options, so it must live as long as the app.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;

  void add_to(CLI::App& command);
  Config load() const { return load_config(file, overrides); }
};

// An option whose value is one of a few words; value holds the default and must live as long as the
// app.
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& help);

// Writes to standard output; throws core::UserError when that fails (a full disk).
void print(std::string_view text);

}  // namespace unfold::cli
