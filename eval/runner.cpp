#include "eval/runner.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/progress.h"
#include "models/parameter_table.h"

namespace unfold::eval {
namespace {

void check_names(const char* key, const std::vector<std::string>& names,
                 const std::vector<std::string>& known) {
  core::require(!names.empty(), "eval", "{} is empty: list some of {}", key,
                fmt::join(known, ", "));
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
  std::int64_t positions = 0;
  for (const std::string& name : settings.eval.tasks) {
    tasks.push_back(make_task(name, run, settings));
    positions += tasks.back()->work() * static_cast<std::int64_t>(methods.size());
  }

  Results results;
  results.config_yaml = provenance.config_yaml;
  results.version = provenance.version;
  results.step = run.step;
  results.parameters =
      models::count_parameters(run.description.decoder, run.description.gist.rows());
  core::Progress progress(progress_over(positions));
  std::int64_t done = 0;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (const Method& method : methods) {
      const std::vector<core::ProgressField> fields = {{"", settings.eval.tasks[t]},
                                                       {"", method.name}};
      const auto advance = [&](std::int64_t more) { progress.update(done += more, fields); };
      for (ResultRow& row : tasks[t]->measure(run, method, advance)) {
        row.method = method.name;
        row.ratio = method.ratio(settings.gist);
        results.rows.push_back(std::move(row));
      }
    }
  }
  progress.finish();
  write_results(run.folder / "results.json", results);
  return results;
}

}  // namespace unfold::eval
