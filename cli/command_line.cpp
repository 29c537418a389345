#include "cli/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/config/nearest.h"
#include "cli/config/value.h"
#include "cli/exit_code.h"
#include "cli/number_text.h"
#include "core/text_format.h"

namespace unfold::cli {

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Option& Option::default_str(const std::string& text) {
  option_->default_str(text);
  return *this;
}

Option& Option::capture_default_str() {
  option_->capture_default_str();
  return *this;
}

Option& Option::delimiter(char separator) {
  option_->delimiter(separator);
  return *this;
}

Option& Option::one_value() {
  option_->allow_extra_args(false);
  return *this;
}

Option& Option::needs(const Option& other) {
  option_->needs(other.option_);
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::is_positive() {
  const auto error = [](const std::string& text) {
    return std::strtod(text.c_str(), nullptr) <= 0
               ? fmt::format("expected a number above 0, found {}", text)
               : std::string();
  };
  option_->check(CLI::Validator(error, "POSITIVE"));
  return *this;
}

Option& Option::is_one_of(const std::vector<std::string>& words, HelpLists lists) {
  CLI::IsMember check(words);
  if (lists == HelpLists::no) check.description("");
  option_->check(check);
  return *this;
}

Command Command::add_subcommand(const std::string& name, const std::string& help) {
  return Command(app_->add_subcommand(name, help));
}

void Command::group(const std::string& heading) {
  app_->group(heading);
}

void Command::footer(const std::string& text) {
  app_->footer(text);
}

void Command::require_subcommand() {
  app_->require_subcommand(1);
}

void Command::callback(std::function<void()> run) {
  app_->callback(std::move(run));
}

template <typename T>
Option Command::add_option(const std::string& name, T& value, const std::string& help) {
  CLI::Option* const option = app_->add_option(name, value, help);
  // CLI11 takes the nearest number that fits for one that does not.
  const auto error = [](const std::string& text) {
    return value_error(text, static_cast<const T*>(nullptr));
  };
  option->check(CLI::Validator(error, ""));
  return Option(option);
}

Option Command::add_flag(const std::string& name, bool& value, const std::string& help) {
  return Option(app_->add_flag(name, value, help));
}

Option Command::add_choice(const std::string& name, std::string& value,
                           const std::vector<std::string>& choices, const std::string& help) {
  return add_option(name, value, help)
      .type_name(core::join(choices, "|"))
      .is_one_of(choices, HelpLists::no)
      .capture_default_str();
}

namespace {

// Flags that may have a word behind them, by name.
std::map<std::string, std::vector<std::string>>& flag_choices() {
  static std::map<std::string, std::vector<std::string>> all;
  return all;
}

// The command line with "--flag word" written as "--flag=word", which is how CLI11 takes it.
std::vector<std::string> joined_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const auto flag =
        arguments.empty() ? flag_choices().end() : flag_choices().find(arguments.back());
    if (flag != flag_choices().end() &&
        std::find(flag->second.begin(), flag->second.end(), argv[i]) != flag->second.end()) {
      arguments.back() += "=" + std::string(argv[i]);
    } else {
      arguments.emplace_back(argv[i]);
    }
  }
  return arguments;
}

}  // namespace

Option Command::add_flag_choice(const std::string& name, std::string& value,
                                const std::vector<std::string>& words, const std::string& help) {
  flag_choices()[name] = words;
  CLI::Option* const option = app_->add_flag(name + "{" + words.front() + "}", value, help);
  option->type_name("[" + core::join(words, "|") + "]");
  CLI::IsMember check(words);
  check.description("");
  option->check(check);
  return Option(option);
}

// The types of options. A new one that is not here is an undefined reference for the linker.
#define UNFOLD_OPTION_TYPE(...) \
  template Option Command::add_option(const std::string&, __VA_ARGS__&, const std::string&)
UNFOLD_OPTION_TYPE(std::string);
UNFOLD_OPTION_TYPE(std::int64_t);
UNFOLD_OPTION_TYPE(std::uint64_t);
UNFOLD_OPTION_TYPE(double);
UNFOLD_OPTION_TYPE(std::optional<std::string>);
UNFOLD_OPTION_TYPE(std::optional<int>);
UNFOLD_OPTION_TYPE(std::optional<std::int64_t>);
UNFOLD_OPTION_TYPE(std::vector<std::string>);
UNFOLD_OPTION_TYPE(std::vector<std::int64_t>);
#undef UNFOLD_OPTION_TYPE

namespace {

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

}  // namespace

int run_program(const ProgramText& text, const std::function<void(Command)>& add_commands, int argc,
                char** argv) {
  CLI::App app{text.description, text.name};
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", text.version, "Print the version and exit");
  app.require_subcommand(1);
  add_commands(Command(&app));
  app.footer(text.footer);  // after the commands, which would inherit it
  try {
    std::vector<std::string> arguments = joined_arguments(argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
    app.parse(arguments);
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

}  // namespace unfold::cli
