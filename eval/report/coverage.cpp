#include "eval/report/coverage.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "eval/report/metric_style.h"
#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

using Key = std::tuple<std::size_t, std::size_t, std::string, double>;  // run, rank, method, ratio

struct Sums {
  MethodCoverage coverage;
  double attended = 0;
  int attended_tasks = 0;
  double seconds = 0;
  std::int64_t timed = 0;
};

std::set<std::string> group_names(const std::vector<ResultRow>& rows) {
  std::set<std::string> groups;
  for (const ResultRow& row : rows) groups.insert(std::string(group_of(row.task)));
  return groups;
}

void add_row(const ResultRow& row, Sums& sums) {
  ++sums.coverage.tasks;
  sums.coverage.skipped += row.skipped;
  if (row.attended > 0 && std::isfinite(row.attended)) {
    sums.attended += row.attended;
    ++sums.attended_tasks;
  }
  if (lower_is_better(row.metric)) return;  // counted in tokens, not in samples
  sums.coverage.samples += row.n;
  if (row.samples_per_second > 0 && std::isfinite(row.samples_per_second)) {
    sums.seconds += static_cast<double>(row.n) / row.samples_per_second;
    sums.timed += row.n;
  }
}

// Where results.json has no speed, the time of the single samples tells it.
void add_sample_times(const PredictionFile& file, Sums& sums) {
  for (const PredictedSample& sample : file.samples) {
    if (!(sample.seconds > 0) || !std::isfinite(sample.seconds)) continue;
    sums.seconds += sample.seconds;
    ++sums.timed;
  }
}

}  // namespace

std::vector<MethodCoverage> method_coverage(const RunComparison& comparison) {
  std::map<Key, Sums> methods;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const RunRecord& record = comparison.runs[run];
    if (!record.results) continue;
    const std::set<std::string> groups = group_names(record.results->rows);
    std::set<std::tuple<std::string, std::string, double>> seen;  // a task has a row a metric
    for (const ResultRow& row : record.results->rows) {
      if (groups.contains(row.task) || !seen.emplace(row.task, row.method, row.ratio).second) {
        continue;
      }
      const Key key(run, comparison.palette.rank(row.method), row.method, row.ratio);
      add_row(row, methods[key]);
    }
    for (auto& [key, sums] : methods) {
      if (std::get<0>(key) != run || sums.timed > 0) continue;
      for (const PredictionFile& file : record.predictions.files) {
        if (file.method == std::get<2>(key) && file.ratio == std::get<3>(key)) {
          add_sample_times(file, sums);
        }
      }
    }
  }
  std::vector<MethodCoverage> result;
  for (auto& [key, sums] : methods) {
    MethodCoverage coverage = sums.coverage;
    coverage.run = std::get<0>(key);
    coverage.method = std::get<2>(key);
    coverage.ratio = std::get<3>(key);
    if (sums.attended_tasks > 0) coverage.attended = sums.attended / sums.attended_tasks;
    if (sums.seconds > 0) {
      coverage.samples_per_second = static_cast<double>(sums.timed) / sums.seconds;
    }
    result.push_back(std::move(coverage));
  }
  return result;
}

std::vector<SkippedTask> skipped_tasks(const RunComparison& comparison) {
  std::vector<SkippedTask> result;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const auto& results = comparison.runs[run].results;
    if (!results) continue;
    const std::set<std::string> groups = group_names(results->rows);
    std::map<std::string, std::size_t> places;
    for (const ResultRow& row : results->rows) {
      if (row.skipped <= 0 || groups.contains(row.task)) continue;
      const auto [place, added] = places.try_emplace(row.task, result.size());
      if (added) result.push_back({run, row.task, 0});
      std::int64_t& skipped = result[place->second].skipped;
      skipped = std::max(skipped, row.skipped);
    }
  }
  return result;
}

std::vector<std::string> reading_notes(const RunComparison& comparison) {
  std::vector<std::string> notes;
  for (const RunRecord& run : comparison.runs) {
    const std::string of = comparison.several() ? " of " + run.name : "";
    const Predictions& read = run.predictions;
    if (run.rows_predicted > 0) {
      notes.push_back(
          fmt::format("{} rows{} are the means of predictions: results.json has no "
                      "such rows (yet).",
                      run.rows_predicted, of));
    }
    if (read.unreadable_lines > 0) {
      notes.push_back(
          fmt::format("{} lines of predictions{} could not be read and count for "
                      "nothing.",
                      read.unreadable_lines, of));
    }
    if (read.unreadable_files > 0) {
      notes.push_back(
          fmt::format("{} files of predictions{} could not be read.", read.unreadable_files, of));
    }
    for (const std::string& problem : read.problems) notes.push_back(problem);
  }
  if (comparison.ratios_left_out > 0) {
    notes.push_back(fmt::format("{} further compression ratios are in report.csv only.",
                                comparison.ratios_left_out));
  }
  return notes;
}

}  // namespace unfold::eval
