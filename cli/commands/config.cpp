// unfold config show | reference: the resolved config, and every key there is.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"

namespace unfold::cli {
namespace {

void add_show(CLI::App& config) {
  CLI::App* show = config.add_subcommand("show", "Print a config with every default filled in");
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->add_to(*show);
  show->callback([arguments] { print(to_yaml(arguments->load())); });
}

void add_reference(CLI::App& config) {
  CLI::App* reference =
      config.add_subcommand("reference", "List every key: type, default, range, meaning");
  const auto format = std::make_shared<std::string>("text");
  add_choice(*reference, "--format", *format, {"text", "markdown"}, "how to write the list");
  reference->callback([format] {
    print(config_reference(*format == "markdown" ? ReferenceFormat::markdown
                                                 : ReferenceFormat::text));
  });
}

}  // namespace

void add_config_command(CLI::App& app) {
  CLI::App* config =
      app.add_subcommand("config", "Show a resolved config, or the reference of all keys");
  config->group(kLookGroup);
  config->require_subcommand(1);
  add_show(*config);
  add_reference(*config);
}

}  // namespace unfold::cli
