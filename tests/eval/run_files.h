// Files of a run as training and evaluation write them, for tests of the report.
#pragma once

#include <filesystem>
#include <string>

#include "eval/results.h"

namespace unfold::eval {

// The log of a run of `steps` steps with a validation every `val_every` steps (0: none). Every
// `nan_every`-th step (0: none) has a loss that is not finite.
std::string metrics_text(int steps, int val_every, int nan_every = 0);

std::string config_text();

ResultRow result_row(const std::string& task, const std::string& method, const std::string& metric,
                     double value);

// A run folder with all three files.
void write_run(const std::filesystem::path& folder, int steps = 100);

}  // namespace unfold::eval
