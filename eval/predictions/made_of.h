// What an evaluation's predictions are made of, as lines of text: two evaluations with the same
// text give the same predictions, and one may continue the other.
#pragma once

#include <string>
#include <string_view>

#include "eval/loaded_run.h"
#include "eval/method.h"

namespace unfold::eval {

// version: of Unfold; task: Task::settings().
std::string made_of(const LoadedRun& run, const Method& method, const gsa::GistConfig& gist,
                    std::string_view version, std::string_view task);

}  // namespace unfold::eval
