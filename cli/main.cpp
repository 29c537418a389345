// unfold: parses the command line, runs one command, turns exceptions into exit codes.
//
//   0 done   2 the user can mend it (one line on standard error)   70 a bug   128 + n signal n
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/config/nearest.h"
#include "cli/config/value.h"
#include "cli/version.h"
#include "core/error.h"

namespace {

using unfold::cli::add_all_commands;
using unfold::cli::in_quotes;
using unfold::cli::nearest_name;
using unfold::cli::print;
using unfold::cli::version;

constexpr int kUserErrorCode = 2;
constexpr int kBugCode = 70;
constexpr int kSignalCode = 128;

constexpr const char* kDescription =
    "Unfold trains language models that read long context through gist tokens.\n";
constexpr const char* kFooter =
    "A first look:\n"
    "  unfold config reference                      every setting a config can have\n"
    "  unfold config show configs/demo.yaml         a config with all defaults filled in\n"
    "  unfold inspect visibility --pattern \"a b g c d g x\" --previous 0 --sinks 1\n"
    "\n"
    "'unfold COMMAND --help' explains a command.";

// Scripts read errors line by line, so an error stays on one.
void report(std::string line) {
  while (!line.empty() && line.back() == '\n') line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  fmt::print(stderr, "{}\n", line);
}

// The innermost command that was recognised.
const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

// What is wrong with the command line; CLI11 only says that a subcommand is missing.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = innermost(app);
  if (at.get_require_subcommand_min() == 0) return error.what();
  const std::vector<std::string> rest = at.remaining();
  if (rest.empty()) return "no command given";
  if (rest.front().starts_with('-'))
    return fmt::format("unknown option {}", in_quotes(rest.front()));
  std::vector<std::string> names;
  for (const CLI::App* command : at.get_subcommands(nullptr)) names.push_back(command->get_name());
  const std::string nearest = nearest_name(rest.front(), names);
  const std::string hint = nearest.empty() ? "" : fmt::format(": did you mean '{}'?", nearest);
  return fmt::format("unknown command {}{}", in_quotes(rest.front()), hint);
}

int run(int argc, char** argv) {
  CLI::App app{kDescription, "unfold"};
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", fmt::format("unfold {}", version()),
                       "Print the version and exit");
  app.require_subcommand(1);
  add_all_commands(app);
  app.footer(kFooter);  // after the commands, which would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print(app.help());
  } catch (const CLI::CallForVersion&) {
    print(app.version() + "\n");
  } catch (const CLI::ParseError& error) {
    std::string name;
    for (const CLI::App* at = &innermost(app); at != nullptr; at = at->get_parent()) {
      name = at->get_name() + (name.empty() ? "" : " ") + name;
    }
    report(fmt::format("[usage] {}: {} (see {} --help)", name, describe(app, error), name));
    return kUserErrorCode;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const unfold::core::UserError& error) {
    report(error.what());
    return kUserErrorCode;
  } catch (const unfold::core::Interrupted& error) {
    report(error.what());
    return kSignalCode + error.signal();
  } catch (const std::bad_alloc&) {
    report("[memory] not enough memory: use a smaller model, fewer micro_rows or shorter rows");
    return kUserErrorCode;
  } catch (const std::exception& error) {
    report(fmt::format("{}: this is a bug in unfold, please report it", error.what()));
    return kBugCode;
  } catch (...) {
    report("an unknown exception: this is a bug in unfold, please report it");
    return kBugCode;
  }
}
