#include "cli/command_line.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "cli/number_text.h"

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
    const bool below = text.starts_with('-') || text.find_first_not_of("0.") == std::string::npos;
    return below ? fmt::format("expected a number above 0, found {}", text) : std::string();
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
      .type_name(fmt::format("{}", fmt::join(choices, "|")))
      .is_one_of(choices, HelpLists::no)
      .capture_default_str();
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

}  // namespace unfold::cli
