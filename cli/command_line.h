// The command line: commands with their options and flags, in the words of CLI11, which does the
// work. CLI11 is headers only and takes seconds to compile, so command_line.cpp alone includes it.
//
//     Command command = app.add_subcommand("report", "Write the report of a run");
//     command.add_option("RUN", arguments->run, "folder of the run").required();
//     command.callback([arguments] { run_report(*arguments); });
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace unfold::cli {

// Whether --help lists the words that a value may be; not where type or text name them already.
enum class HelpLists { no, yes };

// A handle on one option. Every setter returns the option, to be chained.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& type_name(const std::string& name);    // what --help shows for the value
  Option& default_str(const std::string& text);  // what --help shows as the default
  Option& capture_default_str();                 // shows the variable's value of now
  Option& delimiter(char separator);             // a list: several values in one argument
  Option& one_value();  // a list: one value an option, so that a positional may follow
  Option& needs(const Option& other);
  Option& excludes(const Option& other);
  Option& is_positive();
  Option& is_one_of(const std::vector<std::string>& words, HelpLists lists = HelpLists::yes);

 private:
  CLI::Option* option_;
};

// A handle on one command; `app` itself is the outermost. Variables that options are bound to must
// live as long as the app.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  Command add_subcommand(const std::string& name, const std::string& help);
  void group(const std::string& heading);  // where --help of the parent lists it
  void footer(const std::string& text);    // the end of its own --help
  void require_subcommand();               // exactly one
  void callback(std::function<void()> run);

  // Sets value; a positional argument where name has no dashes. T is text or a number,
  // std::optional or std::vector of one: those that the end of command_line.cpp lists.
  template <typename T>
  Option add_option(const std::string& name, T& value, const std::string& help);
  // True where given; "!--no-name" sets false.
  Option add_flag(const std::string& name, bool& value, const std::string& help);
  // A flag that may have one of a few words behind it; alone it means the first of them. value
  // stays as it is where the flag is not given.
  Option add_flag_choice(const std::string& name, std::string& value,
                         const std::vector<std::string>& words, const std::string& help);
  // One of a few words, which --help shows as the type.
  Option add_choice(const std::string& name, std::string& value,
                    const std::vector<std::string>& choices, const std::string& help);

 private:
  CLI::App* app_;
};

// What --help and --version of the whole program say.
struct ProgramText {
  std::string name;
  std::string description;
  std::string footer;
  std::string version;
};

// Parses the command line and runs the callback of the command that it names. Returns the exit
// code: 0, or kUserErrorCode after one line on standard error for a command line that is wrong.
// What the callback throws passes through.
int run_program(const ProgramText& text, const std::function<void(Command)>& add_commands, int argc,
                char** argv);

}  // namespace unfold::cli
