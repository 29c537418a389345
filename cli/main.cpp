// unfold: parses the command line and runs one command.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/config/nearest.h"
#include "cli/config/value.h"
#include "cli/exit_code.h"
#include "cli/version.h"

namespace {

using unfold::cli::add_all_commands;
using unfold::cli::Command;
using unfold::cli::in_quotes;
using unfold::cli::kUserErrorCode;
using unfold::cli::nearest_name;
using unfold::cli::print;
using unfold::cli::print_error;
using unfold::cli::version;

constexpr const char* kDescription =
    "Unfold trains language models that read long context through gist tokens.\n";
constexpr const char* kFooter =
    "A first look:\n"
    "  unfold config reference                      every setting a config can have\n"
    "  unfold config show configs/demo.yaml         a config with all defaults filled in\n"
    "  unfold inspect visibility --pattern \"a b g c d g x\" --previous 0 --sinks 1\n"
    "\n"
    "'unfold COMMAND --help' explains a command.";

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
  const std::string& first = rest.front();
  if (first.starts_with('-')) return fmt::format("unknown option {}", in_quotes(first));
  std::vector<std::string> names;
  for (const CLI::App* command : at.get_subcommands(nullptr)) names.push_back(command->get_name());
  const std::string nearest = nearest_name(first, names);
  const std::string hint = nearest.empty() ? "" : fmt::format(": did you mean '{}'?", nearest);
  return fmt::format("unknown command {}{}", in_quotes(first), hint);
}

int run(int argc, char** argv) {
  CLI::App app{kDescription, "unfold"};
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", fmt::format("unfold {}", version()),
                       "Print the version and exit");
  app.require_subcommand(1);
  add_all_commands(Command(&app));
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
    print_error(fmt::format("[usage] {}: {} (see {} --help)", name, describe(app, error), name));
    return kUserErrorCode;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return unfold::cli::exit_code_of([&] { return run(argc, argv); });
}
