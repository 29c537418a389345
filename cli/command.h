// Commands: `unfold NAME ...`. A command is one file, cli/commands/NAME.cpp, whose function below
// registers a subcommand with its options and a callback that runs it (cli/command_line.h).
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

#include "cli/command_line.h"
#include "cli/config/config.h"

namespace unfold::cli {

// Headings of `unfold --help`.
inline constexpr const char* kRunGroup = "Train and evaluate";
inline constexpr const char* kDataGroup = "Prepare";
inline constexpr const char* kLookGroup = "Look inside";

void add_train_command(Command app);       // train
void add_eval_command(Command app);        // eval
void add_generate_command(Command app);    // generate
void add_report_command(Command app);      // report RUN...
void add_score_command(Command app);       // score
void add_data_command(Command app);        // data train-tokenizer, tokenize, synthesize
void add_import_command(Command app);      // import SRC
void add_export_command(Command app);      // export RUN
void add_inspect_command(Command app);     // inspect visibility, insertion, selection, rows, logits
void add_tokenize_command(Command app);    // tokenize < text
void add_detokenize_command(Command app);  // detokenize < ids
void add_plan_command(Command app);        // plan CONFIG
void add_doctor_command(Command app);      // doctor
void add_bench_command(Command app);       // bench cpu, selection, train, attention, decode, gpu
void add_config_command(Command app);      // config show, config reference

// All of the above, in the order --help lists them.
void add_all_commands(Command app);

// The arguments of every command that takes a config: CONFIG [--set KEY=VALUE]...
// Bound to the app's options, so it must live as long as the app.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;

  void add_to(Command command);
  Config load() const { return load_config(file, overrides); }
};

// Writes to standard output; throws core::UserError when that fails (a full disk).
void print(std::string_view text);
// For long work: a reader of its lines that goes away does not end it.
void ignore_broken_pipes();

}  // namespace unfold::cli
