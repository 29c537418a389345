// The evaluation of a run: every task under every method, at every ratio.
//
// Tasks that are measured sample by sample leave predictions in RUN/predictions
// (eval/predictions/prediction_store.h), from which their results are made. So an evaluation that
// was stopped, or asks for more than the one before, goes on: nothing is evaluated twice.
#pragma once

#include <string>

#include "core/comm/communicator.h"
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
// writes RUN/results.json at the very end. An earlier one is replaced; if it holds rows that this
// one has not, it becomes RUN/results.previous.json. Rows come task by task, those of groups behind
// them. A task that has nothing to measure under a method is left out there, with a warning.
// Methods whose ratio is not theirs to choose (full, gist_only) are measured once, not at every
// ratio.
// Deterministic but for what is timed: the same checkpoint and settings give the same rows, in one
// go or continued.
// communicator: the processes that share the work, all with the same run and settings; each gets
// all results. Sample i of a task in order of length belongs to process i mod world_size().
// Throws core::UserError: no or unknown or repeated tasks or methods, nothing
// to measure at all, gists of other levels than
// the model has, what the tasks report about their inputs, a full disk, another evaluation at work.
Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance,
                 core::Communicator& communicator);
// The same by this process alone.
Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance);

}  // namespace unfold::eval
