// unfold inspect logits: registered by add_inspect_command() (cli/command.h).
#pragma once

#include "cli/command_line.h"

namespace unfold::cli {

void add_inspect_logits(Command inspect);

}  // namespace unfold::cli
