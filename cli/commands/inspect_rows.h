// unfold inspect rows: a part of the command inspect (cli/commands/inspect.cpp).
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace unfold::cli {

void add_inspect_rows(CLI::App& inspect);

}  // namespace unfold::cli
