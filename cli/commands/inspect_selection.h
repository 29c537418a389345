// unfold inspect selection: a part of the command inspect (cli/commands/inspect.cpp).
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace unfold::cli {

void add_inspect_selection(CLI::App& inspect);

}  // namespace unfold::cli
