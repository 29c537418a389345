#include "eval/tasks/task.h"

#include <algorithm>

#include "core/error.h"
#include "eval/longbench/longbench_task.h"
#include "eval/rag/rag_task.h"
#include "eval/tasks/answers.h"
#include "eval/tasks/lambada.h"
#include "eval/tasks/perplexity.h"
#include "eval/tasks/perplexity_by_context.h"
#include "eval/tasks/probe.h"
#include "eval/tasks/recall.h"

namespace unfold::eval {
namespace {

struct TaskEntry {
  std::string name;
  std::function<std::unique_ptr<Task>(const LoadedRun&, const EvalSettings&)> make;
};

// Tasks of one kind, named GROUP.MEMBER; the group alone stands for all of its members.
struct TaskGroup {
  std::string name;
  std::function<std::unique_ptr<Task>(std::string name, const LoadedRun&, const EvalSettings&)>
      make;
  std::function<std::vector<std::string>(const EvalSettings&)> members;
};

template <typename T>
std::unique_ptr<Task> make_plain(const LoadedRun& run, const EvalSettings& settings) {
  return std::make_unique<T>(run, settings);
}

template <data::SyntheticTask task>
std::unique_ptr<Task> make_recall(const LoadedRun& run, const EvalSettings& settings) {
  return std::make_unique<RecallTask>(run, settings, task);
}

template <typename T>
std::unique_ptr<Task> make_member(std::string name, const LoadedRun& run,
                                  const EvalSettings& settings) {
  return std::make_unique<T>(std::move(name), run, settings);
}

const std::vector<TaskEntry>& tasks() {
  using data::SyntheticTask;
  static const std::vector<TaskEntry> kTasks = {
      {"perplexity", make_plain<PerplexityTask>},
      {"answers", make_plain<AnswersTask>},
      {"recall", make_recall<SyntheticTask::recall>},
      {"passkey", make_recall<SyntheticTask::passkey>},
      {"multikey", make_recall<SyntheticTask::multikey>},
      {"lambada", make_plain<LambadaTask>},
      {"perplexity_by_context", make_plain<PerplexityByContextTask>},
  };
  return kTasks;
}

const std::vector<TaskGroup>& groups() {
  static const std::vector<TaskGroup> kGroups = {
      {std::string(kLongBench), make_member<LongBenchTask>,
       [](const EvalSettings& settings) { return longbench_tasks(kLongBench, settings); }},
      {std::string(kLongBenchE), make_member<LongBenchTask>,
       [](const EvalSettings& settings) { return longbench_tasks(kLongBenchE, settings); }},
      {std::string(kRag), make_member<RagTask>, rag_tasks},
      {std::string(kProbe), make_member<ProbeTask>,
       [](const EvalSettings&) { return probe_tasks(); }},
  };
  return kGroups;
}

// The group that a name is a member of.
const TaskGroup* group_of(std::string_view name) {
  for (const TaskGroup& group : groups()) {
    if (name.starts_with(group.name + ".") && name.size() > group.name.size() + 1) return &group;
  }
  return nullptr;
}

[[noreturn]] void fail_unknown(std::string_view name) {
  std::string known;
  for (const std::string& one : task_names()) known += (known.empty() ? "" : ", ") + one;
  core::fail("eval", "unknown task '{}': choose one of {}", name, known);
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskEntry& entry : tasks()) names.push_back(entry.name);
  for (const TaskGroup& group : groups()) names.push_back(group.name);
  return names;
}

bool is_task_name(std::string_view name) {
  const std::vector<std::string> names = task_names();
  return std::find(names.begin(), names.end(), name) != names.end() || group_of(name) != nullptr;
}

std::vector<std::string> expand_tasks(const std::vector<std::string>& names,
                                      const EvalSettings& settings) {
  std::vector<std::string> result;
  const auto add = [&](const std::string& name) {
    if (std::find(result.begin(), result.end(), name) == result.end()) result.push_back(name);
  };
  for (const std::string& name : names) {
    if (!is_task_name(name)) fail_unknown(name);
    const auto group = std::find_if(groups().begin(), groups().end(),
                                    [&](const TaskGroup& one) { return one.name == name; });
    if (group == groups().end()) {
      add(name);
    } else {
      for (const std::string& member : group->members(settings)) add(member);
    }
  }
  return result;
}

std::unique_ptr<Task> make_task(std::string_view name, const LoadedRun& run,
                                const EvalSettings& settings) {
  for (const TaskEntry& entry : tasks()) {
    if (entry.name == name) return entry.make(run, settings);
  }
  if (const TaskGroup* group = group_of(name)) {
    return group->make(std::string(name), run, settings);
  }
  fail_unknown(name);
}

}  // namespace unfold::eval
