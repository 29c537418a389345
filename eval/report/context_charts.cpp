#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "eval/report/metric_style.h"
#include "eval/report/sample_charts.h"
#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kMostTasks = 12;

using Key = std::tuple<std::size_t, std::string, std::size_t>;  // rank, method, run
using Curves = std::map<Key, std::map<double, double>>;         // value by length

// "perplexity_by_context.1024" -> 1024.
std::optional<double> length_of(const std::string& task) {
  const std::size_t dot = task.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string_view end = std::string_view(task).substr(dot + 1);
  std::int64_t length = 0;
  const auto [last, error] = std::from_chars(end.data(), end.data() + end.size(), length);
  if (error != std::errc() || last != end.data() + end.size() || length <= 0) return std::nullopt;
  return static_cast<double>(length);
}

Chart chart_of(const RunComparison& comparison, const std::string& task, const std::string& metric,
               const Curves& curves) {
  Chart chart;
  chart.title = task;
  chart.note = metric_label(metric);
  chart.legend = true;
  chart.plot.description = task + " by length of context, one curve a method";
  chart.plot.x.label = "tokens of context";
  chart.plot.x.scale = Scale::log;
  chart.plot.x.margin = 0.04;
  for (const auto& [key, values] : curves) {
    const auto& [rank, method, run] = key;
    PlotSeries series = method_series(comparison, method, run);
    for (const auto& [length, value] : values) {
      series.curve.x.push_back(length);
      series.curve.y.push_back(value);
      series.notes.push_back(
          fmt::format("{}: {} behind {:.0f} tokens", series.name, format_number(value), length));
    }
    chart.plot.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::vector<Chart> context_charts(const RunComparison& comparison, double ratio) {
  // By task, then metric.
  std::map<std::string, std::map<std::string, Curves>> tasks;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const auto& results = comparison.runs[run].results;
    if (!results) continue;
    for (const ResultRow& row : results->rows) {
      if (family_of(row.task, row.metric) != Family::language || !std::isfinite(row.value) ||
          !belongs_to_ratio(row.method, row.ratio, ratio)) {
        continue;
      }
      const std::optional<double> length = length_of(row.task);
      if (!length) continue;
      const Key key(comparison.palette.rank(row.method), row.method, run);
      tasks[std::string(group_of(row.task))][row.metric][key].emplace(*length, row.value);
    }
  }
  std::vector<Chart> charts;
  for (const auto& [task, metrics] : tasks) {
    for (const char* metric : {"bits_per_byte", "loss", "perplexity"}) {
      const auto found = metrics.find(metric);
      if (found == metrics.end() || charts.size() == kMostTasks) continue;
      charts.push_back(chart_of(comparison, task, metric, found->second));
      break;
    }
  }
  return charts;
}

}  // namespace unfold::eval
