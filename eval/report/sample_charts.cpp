#include "eval/report/sample_charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "eval/report/metric_style.h"
#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kMostPositions = 40;  // places of the gold document a plot can show
constexpr std::size_t kMostGoldTasks = 12;

using Key = std::tuple<std::size_t, std::string, std::size_t>;  // rank, method, run
using Samples = std::map<double, std::vector<double>>;          // values by position

Chart gold_chart(const RunComparison& comparison, const std::string& task,
                 const std::map<Key, Samples>& methods) {
  Chart chart;
  chart.title = std::string(short_task(task));
  chart.note = "mean score by the index of the gold document";
  chart.legend = true;
  chart.plot.description = "Score by gold position, " + task;
  chart.plot.x.label = "gold document";
  chart.plot.x.whole = true;
  chart.plot.x.margin = 0.03;
  chart.plot.y.low = 0;
  chart.plot.y.percent = true;
  for (const auto& [key, samples] : methods) {
    PlotSeries series = method_series(comparison, std::get<1>(key), std::get<2>(key));
    for (const auto& [position, scores] : samples) {
      double mean = 0;
      for (const double score : scores) mean += score / static_cast<double>(scores.size());
      series.curve.x.push_back(position);
      series.curve.y.push_back(mean);
      series.notes.push_back(fmt::format("{}: {:.1f}% with the gold document at {:g} (n = {})",
                                         series.name, mean * 100, position, scores.size()));
    }
    chart.plot.series.push_back(std::move(series));
  }
  return chart;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<Chart> gold_charts(const RunComparison& comparison, double ratio) {
  std::map<std::string, std::map<Key, Samples>> tasks;
  std::map<std::string, std::map<double, bool>> positions;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    for (const PredictionFile& file : comparison.runs[run].predictions.files) {
      if (!belongs_to_ratio(file.method, file.ratio, ratio)) continue;
      for (const PredictedSample& sample : file.samples) {
        if (!std::isfinite(sample.gold) || !std::isfinite(sample.score)) continue;
        auto& seen = positions[file.task];
        if (!seen.contains(sample.gold) && seen.size() == kMostPositions) continue;
        seen[sample.gold] = true;
        const Key key(comparison.palette.rank(file.method), file.method, run);
        tasks[file.task][key][sample.gold].push_back(sample.score);
      }
    }
  }
  std::vector<Chart> charts;
  for (const auto& [task, methods] : tasks) {
    // One position alone is a line of the table, no curve.
    if (positions[task].size() < 2 || charts.size() == kMostGoldTasks) continue;
    charts.push_back(gold_chart(comparison, task, methods));
  }
  return charts;
}

std::vector<Chart> latency_charts(const RunComparison& comparison, double ratio) {
  std::map<Key, std::map<int, std::pair<std::vector<double>, std::vector<double>>>> methods;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    for (const PredictionFile& file : comparison.runs[run].predictions.files) {
      if (!belongs_to_ratio(file.method, file.ratio, ratio)) continue;
      for (const PredictedSample& sample : file.samples) {
        if (!(sample.seconds > 0) || !(sample.prompt_tokens >= 1) ||
            !std::isfinite(sample.seconds) || sample.prompt_tokens > 1e12) {
          continue;
        }
        // Bins of half an octave: lengths that differ by less cost about the same.
        const int bin = static_cast<int>(std::floor(2 * std::log2(sample.prompt_tokens)));
        auto& [tokens, seconds] =
            methods[Key(comparison.palette.rank(file.method), file.method, run)][bin];
        tokens.push_back(sample.prompt_tokens);
        seconds.push_back(sample.seconds);
      }
    }
  }
  if (methods.empty()) return {};
  Chart chart;
  chart.title = "Seconds a sample";
  chart.note = "median by length of the prompt, all tasks";
  chart.legend = true;
  chart.plot.description = "Seconds a sample by tokens of the prompt, one curve a method";
  chart.plot.x.label = "tokens of the prompt";
  chart.plot.x.scale = Scale::log;
  chart.plot.x.margin = 0.03;
  chart.plot.y.scale = Scale::log;
  for (const auto& [key, bins] : methods) {
    PlotSeries series = method_series(comparison, std::get<1>(key), std::get<2>(key));
    for (const auto& [bin, values] : bins) {
      const double tokens = median(values.first);
      const double seconds = median(values.second);
      series.curve.x.push_back(tokens);
      series.curve.y.push_back(seconds);
      series.notes.push_back(fmt::format("{}: {} s at {:.0f} tokens (n = {})", series.name,
                                         format_number(seconds), tokens, values.first.size()));
    }
    chart.plot.series.push_back(std::move(series));
  }
  return {std::move(chart)};
}

}  // namespace unfold::eval
