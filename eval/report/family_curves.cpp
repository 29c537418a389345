#include "eval/report/family_curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

// In the order of plots: by method, then run, then ratio.
using Key = std::tuple<std::size_t, std::string, std::size_t, double>;  // rank, method, run, ratio
using Measured = std::map<Key, const ResultRow*>;

struct TaskRows {
  std::string task;
  std::string metric;
  Measured measured;
};

// The tasks of a family with the metric that counts, in order of appearance.
std::vector<TaskRows> main_rows(const RunComparison& comparison, Family family,
                                std::set<Key>& keys) {
  std::vector<TaskRows> tasks;
  std::map<std::string, std::size_t> places;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const auto& results = comparison.runs[run].results;
    if (!results) continue;
    for (const ResultRow& row : results->rows) {
      if (family_of(row.task, row.metric) != family || !std::isfinite(row.value)) continue;
      const auto [found, added] = places.try_emplace(row.task, tasks.size());
      if (added) tasks.push_back({row.task, row.metric, {}});
      TaskRows& task = tasks[found->second];
      if (task.metric != row.metric) continue;
      const Key key(comparison.palette.rank(row.method), row.method, run, row.ratio);
      task.measured.emplace(key, &row);
      keys.insert(key);
    }
  }
  return tasks;
}

// Leaves the tasks that the mean is over.
void keep_comparable(Family family, std::size_t keys, std::vector<TaskRows>& tasks) {
  std::erase_if(tasks, [&](const TaskRows& task) { return task.measured.size() < keys; });
  if (family != Family::language || tasks.empty()) return;
  // A mean of bits and perplexities says nothing; bits compare best.
  const auto bits = std::find_if(tasks.begin(), tasks.end(), [](const TaskRows& task) {
    return task.metric == "bits_per_byte";
  });
  const std::string metric = bits == tasks.end() ? tasks.front().metric : bits->metric;
  std::erase_if(tasks, [&](const TaskRows& task) { return task.metric != metric; });
}

RatioPoint mean_point(const std::vector<TaskRows>& tasks, const Key& key) {
  RatioPoint point;
  point.ratio = std::get<3>(key);
  double attended = 0;
  int known = 0;
  for (const TaskRows& task : tasks) {
    const ResultRow& row = *task.measured.at(key);
    point.value += row.value / static_cast<double>(tasks.size());
    if (!(row.attended > 0) || !std::isfinite(row.attended)) continue;
    attended += row.attended;
    ++known;
  }
  point.attended = known > 0 ? attended / known : NAN;
  return point;
}

std::optional<FamilyCurves> curves_of(const RunComparison& comparison, Family family) {
  std::set<Key> keys;
  std::vector<TaskRows> tasks = main_rows(comparison, family, keys);
  std::set<std::string> groups;
  for (const TaskRows& task : tasks) groups.insert(std::string(group_of(task.task)));
  std::erase_if(tasks, [&](const TaskRows& task) { return groups.contains(task.task); });
  FamilyCurves result;
  result.family = family;
  result.of_tasks = tasks.size();
  keep_comparable(family, keys.size(), tasks);
  if (tasks.empty()) return std::nullopt;
  if (family == Family::language) result.of_tasks = tasks.size();  // others have other metrics
  result.tasks = tasks.size();
  if (tasks.size() == 1) result.only_task = tasks.front().task;
  result.metric = tasks.front().metric;
  for (const TaskRows& task : tasks) {
    if (task.metric != result.metric) result.metric.clear();
  }
  result.fractions = true;
  for (const Key& key : keys) {
    const auto& [rank, method, run, ratio] = key;
    if (result.curves.empty() || result.curves.back().method != method ||
        result.curves.back().run != run) {
      result.curves.push_back({run, method, {}});
    }
    const RatioPoint point = mean_point(tasks, key);
    result.curves.back().points.push_back(point);
    for (const TaskRows& task : tasks) {
      const double value = task.measured.at(key)->value;
      if (lower_is_better(task.metric) || value < 0 || value > 1) result.fractions = false;
    }
  }
  if (result.curves.size() < 2) return std::nullopt;
  return result;
}

}  // namespace

std::vector<FamilyCurves> family_curves(const RunComparison& comparison) {
  std::vector<FamilyCurves> families;
  for (int family = 0; family < kFamilies; ++family) {
    auto curves = curves_of(comparison, static_cast<Family>(family));
    if (curves) families.push_back(std::move(*curves));
  }
  return families;
}

}  // namespace unfold::eval
