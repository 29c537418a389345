#include "eval/runner.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/text_format.h"
#include "eval/group_rows.h"
#include "eval/measurement.h"
#include "models/parameter_table.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

void check_names(const char* key, const std::vector<std::string>& names,
                 const std::vector<std::string>& known) {
  core::require(!names.empty(), "eval", "{} is empty: list some of {}", key,
                core::join(known, ", "));
  for (auto name = names.begin(); name != names.end(); ++name) {
    core::require(std::find(names.begin(), name, *name) == name, "eval", "{} lists {} twice", key,
                  *name);
  }
}

core::ProgressOptions progress_over(std::int64_t positions, std::int64_t done) {
  core::ProgressOptions options;
  options.label = "evaluating";
  options.total = positions;
  options.start = done;
  options.every = std::max<std::int64_t>(1, positions / 10);
  options.unit = core::ProgressUnit::count;
  return options;
}

// Of two that are called by one ratio: whether they may read as much.
bool alike(const Method& a, const Method& b) {
  const gsa::Budget budget = a.policy.selection.budget;
  const bool told = budget == gsa::Budget::fixed || budget == gsa::Budget::top_p;
  return a.visibility || !told || (a.policy.ratio > 0) == (b.policy.ratio > 0);
}

// Every method at every ratio, each pair that differs once.
std::vector<Method> methods_of(const EvalSettings& settings) {
  std::vector<Method> methods;
  std::vector<double> ratios = settings.eval.ratios;
  if (ratios.empty()) ratios = {0};
  for (const std::string& name : settings.eval.methods) {
    for (const double ratio : ratios) {
      Method method = method_from_name(name, ratio, settings.selection);
      core::require(!method.gists || settings.gist.levels() > 0, "eval",
                    "method {} needs gist tokens, but gist.chunks is []: set eval.methods: [full]",
                    name);
      const double called = method.ratio(settings.gist);
      const auto known = std::find_if(methods.begin(), methods.end(), [&](const Method& other) {
        return other.name == name && other.ratio(settings.gist) == called;
      });
      core::require(
          known == methods.end() || alike(*known, method), "eval",
          "eval.ratios has 0 and {}: 0 is what selection.budget says, which results would "
          "call {}, too: leave one of them out",
          called, called);
      if (known == methods.end()) methods.push_back(std::move(method));
    }
  }
  return methods;
}

// An earlier results.json with rows that this one has not is kept beside it.
void keep_other_rows(const fs::path& run, const Results& results) {
  const fs::path file = run / "results.json";
  std::error_code error;
  if (!fs::exists(file, error)) return;
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
  const fs::path kept = run / "results.previous.json";
  fs::rename(file, kept, error);
  if (!error)
    core::log::info("the earlier results, which hold other rows, are in {}", kept.string());
}

}  // namespace

Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance,
                 core::Communicator& communicator) {
  check_names("eval.tasks", settings.eval.tasks, task_names());
  check_names("eval.methods", settings.eval.methods, method_names());
  core::require(settings.gist.levels() == run.decoder.gist_levels(), "eval",
                "gist.chunks has {} levels, the model was trained with {}: use the config it was "
                "trained with",
                settings.gist.levels(), run.decoder.gist_levels());
  const std::vector<Method> methods = methods_of(settings);
  std::vector<std::unique_ptr<Task>> tasks;
  std::vector<Measurement> measurements;
  const std::vector<std::string> names = expand_tasks(settings.eval.tasks, settings);
  for (const std::string& name : names) {
    tasks.push_back(make_task(name, run, settings));
    std::vector<std::string> left_out;
    for (const Method& method : methods) {
      if (tasks.back()->measures(method)) {
        measurements.emplace_back(name, *tasks.back(), method, run, settings, communicator);
      } else if (std::find(left_out.begin(), left_out.end(), method.name) == left_out.end()) {
        left_out.push_back(method.name);
      }
    }
    if (left_out.empty()) continue;
    core::log::warning(
        "task {} is not measured under {}: it scores whole rows, where nothing is picked", name,
        core::join(left_out, ", "));
  }
  core::require(!measurements.empty(), "eval",
                "none of the tasks {} can be measured under {}: add a task with answers, such as "
                "recall, or a method such as full",
                core::join(settings.eval.tasks, ", "), core::join(settings.eval.methods, ", "));

  // Two evaluations at once would write into the same predictions.
  const fs::path predictions = run.folder / "predictions";
  std::optional<core::FolderLock> lock;
  if (communicator.is_root()) {
    core::create_folder(predictions);
    lock.emplace(predictions);
  }
  for (Measurement& measurement : measurements) measurement.prepare(provenance.version);
  communicator.barrier();
  std::int64_t positions = 0;
  std::int64_t done = 0;
  for (const Measurement& measurement : measurements) {
    positions += measurement.work();
    done += measurement.done();
  }

  Results results;
  results.config_yaml = provenance.config_yaml;
  results.version = provenance.version;
  results.step = run.step;
  results.parameters =
      models::count_parameters(run.description.decoder, run.description.gist.rows());
  GroupRows groups(settings.seed);
  std::optional<core::Progress> progress;
  if (communicator.is_root()) progress.emplace(progress_over(positions, done));
  for (Measurement& measurement : measurements) {
    const std::vector<core::ProgressField> fields = {{"", measurement.name()},
                                                     {"", measurement.method().name}};
    const auto advance = [&](std::int64_t more) {
      if (progress) progress->update(done += more, fields);
    };
    Measurement::Measured measured = measurement.measure(advance);
    if (!measured.rows.empty()) groups.add(measured.rows.front(), measured.predictions);
    for (ResultRow& row : measured.rows) results.rows.push_back(std::move(row));
  }
  if (progress) progress->finish();
  for (ResultRow& row : groups.rows()) results.rows.push_back(std::move(row));
  if (communicator.is_root()) {
    keep_other_rows(run.folder, results);
    write_results(run.folder / "results.json", results);
  }
  return results;
}

Results evaluate(LoadedRun& run, const EvalSettings& settings, const Provenance& provenance) {
  const std::unique_ptr<core::Communicator> alone = core::make_single_process();
  return evaluate(run, settings, provenance, *alone);
}

}  // namespace unfold::eval
