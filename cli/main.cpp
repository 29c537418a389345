// unfold: parses the command line and runs one command.
#include <fmt/core.h>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/version.h"

namespace {

using unfold::cli::ProgramText;

constexpr const char* kDescription =
    "Unfold trains language models that read long context through gist tokens.\n";
constexpr const char* kFooter =
    "A first look:\n"
    "  unfold config reference                      every setting a config can have\n"
    "  unfold config show configs/demo.yaml         a config with all defaults filled in\n"
    "  unfold inspect visibility --pattern \"a b g c d g x\" --previous 0 --sinks 1\n"
    "\n"
    "'unfold COMMAND --help' explains a command.";

}  // namespace

int main(int argc, char** argv) {
  return unfold::cli::exit_code_of([&] {
    const ProgramText text = {"unfold", kDescription, kFooter,
                              fmt::format("unfold {}", unfold::cli::version())};
    return unfold::cli::run_program(text, unfold::cli::add_all_commands, argc, argv);
  });
}
