// A task: something a model can be measured on, under any attention method.
//
// A new task is a class with a file of its own and a line in the table of task.cpp. Most are
// measured sample by sample: eval/tasks/sampled_task.h, eval/tasks/generation_task.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_config.h"
#include "eval/eval_config.h"
#include "eval/loaded_run.h"
#include "eval/method.h"
#include "eval/results.h"
#include "gsa/gist_config.h"
#include "gsa/selection.h"

namespace unfold::eval {

// What the config says about an evaluation.
struct EvalSettings {
  EvalConfig eval;
  gsa::GistConfig gist;
  std::vector<std::string> val;  // data.val
  std::int64_t row_length = 0;   // train.row_length
  std::uint64_t seed = 0;        // run.seed: of generated samples and resampling
  data::DataFormat format = data::DataFormat::text;  // data.format: of data.val
  data::OnLong on_long = data::OnLong::error;        // data.on_long
  gsa::SelectionConfig selection = {};               // selection.*
};

class Task {
 public:
  virtual ~Task() = default;
  // About how many positions measure() scores: the share of the progress bar.
  virtual std::int64_t work() const = 0;
  // Everything the rows depend on but checkpoint, method and gists, as lines of text: records,
  // prompts, seeds, limits. What an earlier evaluation measured is kept only when it is the same.
  virtual std::string settings() const = 0;
  // Whether there is anything to measure under this method.
  virtual bool measures(const Method& /*method*/) const { return true; }
  // Measures such a method. Fills everything of a row but method and ratio. `advance` is told the
  // positions done since its last call. A function of run, settings and method alone.
  virtual std::vector<ResultRow> measure(
      LoadedRun& run, const Method& method,
      const std::function<void(std::int64_t positions)>& advance) const = 0;
};

// In the order they are listed. "longbench", "longbench_e" and "rag" are groups of tasks.
std::vector<std::string> task_names();
// Whether it is one of them or names a member of a group, such as "longbench.hotpotqa".
bool is_task_name(std::string_view name);
// The names with those of groups replaced by their members. Throws core::UserError for unknown
// names (it lists the known ones), and for groups without members.
std::vector<std::string> expand_tasks(const std::vector<std::string>& names,
                                      const EvalSettings& settings);
// Opens what the task reads, so that a missing input is known before anything is measured.
// Throws core::UserError for an unknown name (it lists the known ones) and for bad inputs.
std::unique_ptr<Task> make_task(std::string_view name, const LoadedRun& run,
                                const EvalSettings& settings);

}  // namespace unfold::eval
