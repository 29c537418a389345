// unfold inspect selection: a part of the command inspect (cli/commands/inspect.cpp).
#pragma once

#include "cli/command_line.h"

namespace unfold::cli {

void add_inspect_selection(Command inspect);

}  // namespace unfold::cli
