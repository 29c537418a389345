// unfold config show | reference: the resolved config, and every key there is.
#include <memory>
#include <string>

#include "cli/command.h"

namespace unfold::cli {
namespace {

void add_show(Command config) {
  Command show = config.add_subcommand("show", "Print a config with every default filled in");
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->add_to(show);
  show.callback([arguments] { print(to_yaml(arguments->load())); });
}

void add_reference(Command config) {
  Command reference =
      config.add_subcommand("reference", "List every key: type, default, range, meaning");
  const auto format = std::make_shared<std::string>("text");
  reference.add_choice("--format", *format, {"text", "markdown"}, "how to write the list");
  reference.callback([format] {
    print(config_reference(*format == "markdown" ? ReferenceFormat::markdown
                                                 : ReferenceFormat::text));
  });
}

}  // namespace

void add_config_command(Command app) {
  Command config =
      app.add_subcommand("config", "Show a resolved config, or the reference of all keys");
  config.group(kLookGroup);
  config.require_subcommand();
  add_show(config);
  add_reference(config);
}

}  // namespace unfold::cli
