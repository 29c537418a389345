#include "eval/runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/text_format.h"
#include "models/parameter_table.h"

namespace unfold::eval {
namespace {

void check_names(const char* key, const std::vector<std::string>& names,
                 const std::vector<std::string>& known) {
  core::require(!names.empty(), "eval", "{} is empty: list some of {}", key,
                core::join(known, ", "));
  for (auto name = names.begin(); name != names.end(); ++name) {
    core::require(std::find(names.begin(), name, *name) == name, "eval", "{} lists {} twice", key,
                  *name);
  }
}

core::ProgressOptions progress_over(std::int64_t positions) {
  core::ProgressOptions options;
  options.label = "evaluating";
  options.total = positions;
  options.every = std::max<std::int64_t>(1, positions / 10);
  options.unit = core::ProgressUnit::count;
  return options;
}

struct Pair {
  std::string name;  // of the task
  const Task& task;
  const Method& method;
};

// An earlier results.json with rows that this one has not is kept beside it.
void keep_other_rows(const std::filesystem::path& run, const Results& results) {
  const std::filesystem::path file = run / "results.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return;
  const auto measured_again = [&](const ResultRow& old) {
    return std::any_of(results.rows.begin(), results.rows.end(), [&](const ResultRow& row) {
      return row.task == old.task && row.method == old.method && row.ratio == old.ratio &&
             row.metric == old.metric;
    });
  };
  try {
    const Results earlier = read_results(file);
    if (std::all_of(earlier.rows.begin(), earlier.rows.end(), measured_again)) return;
  } catch (const core::UserError&) {  // of another version, or damaged: somebody may still want it
  }
  const std::filesystem::path kept = run / "results.previous.json";
  std::filesystem::rename(file, kept, error);
  if (!error)
    core::log::info("the earlier results, which hold other rows, are in {}", kept.string());
}

}  // namespace

Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance) {
  check_names("eval.tasks", settings.eval.tasks, task_names());
  check_names("eval.methods", settings.eval.methods, method_names());
  core::require(settings.gist.levels() == run.decoder.gist_levels(), "eval",
                "gist.chunks has {} levels, the model was trained with {}: use the config it was "
                "trained with",
                settings.gist.levels(), run.decoder.gist_levels());
  std::vector<Method> methods;
  for (const std::string& name : settings.eval.methods) {
    methods.push_back(method_from_name(name, settings.eval.ratio, settings.selection));
    core::require(!methods.back().gists || settings.gist.levels() > 0, "eval",
                  "method {} needs gist tokens, but gist.chunks is []: set eval.methods: [full]",
                  name);
  }
  std::vector<std::unique_ptr<Task>> tasks;
  std::vector<Pair> pairs;
  std::int64_t positions = 0;
  for (const std::string& name : settings.eval.tasks) {
    tasks.push_back(make_task(name, run, settings));
    std::vector<std::string> skipped;
    for (const Method& method : methods) {
      if (!tasks.back()->measures(method)) {
        skipped.push_back(method.name);
        continue;
      }
      pairs.push_back({name, *tasks.back(), method});
      positions += tasks.back()->work();
    }
    if (skipped.empty()) continue;
    core::log::warning(
        "task {} is not measured under {}: it scores whole rows, where nothing is picked", name,
        core::join(skipped, ", "));
  }
  core::require(!pairs.empty(), "eval",
                "none of the tasks {} can be measured under {}: add a task with answers, such as "
                "recall, or a method such as full",
                core::join(settings.eval.tasks, ", "), core::join(settings.eval.methods, ", "));

  Results results;
  results.config_yaml = provenance.config_yaml;
  results.version = provenance.version;
  results.step = run.step;
  results.parameters =
      models::count_parameters(run.description.decoder, run.description.gist.rows());
  core::Progress progress(progress_over(positions));
  std::int64_t done = 0;
  for (const Pair& pair : pairs) {
    const std::vector<core::ProgressField> fields = {{"", pair.name}, {"", pair.method.name}};
    const auto advance = [&](std::int64_t more) { progress.update(done += more, fields); };
    for (ResultRow& row : pair.task.measure(run, pair.method, advance)) {
      row.method = pair.method.name;
      row.ratio = pair.method.ratio(settings.gist);
      results.rows.push_back(std::move(row));
    }
  }
  progress.finish();
  keep_other_rows(run.folder, results);
  write_results(run.folder / "results.json", results);
  return results;
}

}  // namespace unfold::eval
