// The evaluation of a run: every task under every method.
#pragma once

#include <string>

#include "eval/loaded_run.h"
#include "eval/results.h"
#include "eval/tasks/task.h"

namespace unfold::eval {

// What results.json says about its origin.
struct Provenance {
  std::string config_yaml;  // resolved config of the run
  std::string version;      // of Unfold
};

// Measures settings.eval.tasks under settings.eval.methods, shows progress on standard error and
// writes RUN/results.json at the very end. An earlier one is replaced; if it holds rows that this one
// has not, it becomes RUN/results.previous.json. Rows come task by task. A task that has nothing to
// measure under a method is left out there, with a warning.
// Deterministic: the same checkpoint and settings give the same rows.
// Throws core::UserError: no or unknown or repeated tasks or methods, nothing
// to measure at all, gists of other levels than
// the model has, what the tasks report about their inputs, a full disk.
Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance);

}  // namespace unfold::eval
