#include "eval/tasks/task.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text_format.h"
#include "eval/tasks/answers.h"
#include "eval/tasks/perplexity.h"
#include "eval/tasks/recall.h"

namespace unfold::eval {
namespace {

struct TaskEntry {
  std::string name;
  std::function<std::unique_ptr<Task>(const LoadedRun&, const EvalSettings&)> make;
};

template <data::SyntheticTask task>
std::unique_ptr<Task> make_recall(const LoadedRun& run, const EvalSettings& settings) {
  return std::make_unique<RecallTask>(run, settings, task);
}

const std::vector<TaskEntry>& tasks() {
  using data::SyntheticTask;
  static const std::vector<TaskEntry> kTasks = {
      {"perplexity",
       [](const LoadedRun& run, const EvalSettings& settings) -> std::unique_ptr<Task> {
         return std::make_unique<PerplexityTask>(run, settings);
       }},
      {"answers",
       [](const LoadedRun& run, const EvalSettings& settings) -> std::unique_ptr<Task> {
         return std::make_unique<AnswersTask>(run, settings);
       }},
      {"recall", make_recall<SyntheticTask::recall>},
      {"passkey", make_recall<SyntheticTask::passkey>},
      {"multikey", make_recall<SyntheticTask::multikey>},
  };
  return kTasks;
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskEntry& entry : tasks()) names.push_back(entry.name);
  return names;
}

std::unique_ptr<Task> make_task(std::string_view name, const LoadedRun& run,
                                const EvalSettings& settings) {
  for (const TaskEntry& entry : tasks()) {
    if (entry.name == name) return entry.make(run, settings);
  }
  core::fail("eval", "unknown task '{}': choose one of {}", name, core::join(task_names(), ", "));
}

}  // namespace unfold::eval
