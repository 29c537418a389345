#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/report/charts.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kDrawnPoints = 800;  // about one a pixel of a wide plot

bool any_finite(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(),
                     [](double value) { return std::isfinite(value); });
}

// A log scale once the values span more than two decades: on a linear one the small ones are a flat
// line. Zero and negative values could not be shown, so they keep the linear scale.
Scale scale_for(const std::vector<double>& values) {
  double low = INFINITY;
  double high = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return low > 0 && high > 100 * low ? Scale::log : Scale::linear;
}

std::string with_note(const std::string& note, const std::string& more) {
  return note.empty() ? more : note + ", " + more;
}

// Colours of runs, far apart.
int run_color(std::size_t run) {
  constexpr std::array<int, 8> kColors = {0, 2, 1, 3, 5, 6, 8, 7};
  return kColors[run % kColors.size()];
}

void over_steps(PlotAxis& axis) {
  axis.label = "step";
  axis.low = 0;
  axis.whole = true;
}

// A curve over the steps; with `trend`, its moving mean, and behind it the faint single steps where
// there are enough of them and only one run.
Chart step_curve(std::string title, std::string note, const RunComparison& comparison,
                 std::vector<double> MetricsHistory::*member, bool trend) {
  Chart chart;
  chart.title = std::move(title);
  chart.note = std::move(note);
  chart.legend = comparison.several();
  over_steps(chart.plot.x);
  chart.plot.description = chart.title + " over training steps";
  std::vector<double> all;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const MetricsHistory& history = comparison.runs[run].history;
    const Curve curve = {history.step, history.*member};
    if (!any_finite(curve.y)) continue;
    all.insert(all.end(), curve.y.begin(), curve.y.end());
    const std::size_t half = trend ? trend_half_window(curve.size()) : 0;
    PlotSeries series;
    series.name = comparison.several() ? comparison.runs[run].name : chart.title;
    series.color = comparison.several() ? run_color(run) : kNeutralColor;
    series.dash = static_cast<int>(run);
    series.curve = downsample(curve, kDrawnPoints);
    series.markers = curve.size() <= 30;
    if (half > 0) {
      PlotSeries mean = series;
      mean.name += ", moving mean";
      mean.curve = downsample(smooth(curve, half), kDrawnPoints);
      if (comparison.several()) {
        mean.name = series.name;
        chart.plot.series.push_back(std::move(mean));
        continue;
      }
      series.faint = true;
      series.end_label = false;
      chart.plot.series.push_back(std::move(series));
      chart.plot.series.push_back(std::move(mean));
      chart.note = with_note(chart.note, fmt::format("mean of {} steps", 2 * half + 1));
    } else {
      chart.plot.series.push_back(std::move(series));
    }
  }
  chart.plot.y.scale = scale_for(all);
  return chart;
}

bool any_run(const RunComparison& comparison, std::vector<double> MetricsHistory::*member) {
  return std::any_of(comparison.runs.begin(), comparison.runs.end(),
                     [member](const RunRecord& run) { return any_finite(run.history.*member); });
}

Chart validation_chart(const RunComparison& comparison) {
  Chart chart;
  chart.title = "Validation";
  chart.note = "bits per byte of held-out text";
  chart.legend = true;
  over_steps(chart.plot.x);
  chart.plot.description = "Validation bits per byte over training steps, one curve a visibility";
  std::vector<double> all;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    for (const ValidationCurve& curve : comparison.runs[run].history.validations) {
      if (!any_finite(curve.bits_per_byte)) continue;
      PlotSeries series;
      series.name = series_name(comparison, curve.visibility, run);
      series.curve = downsample({curve.step, curve.bits_per_byte}, kDrawnPoints);
      series.color = comparison.palette.color(curve.visibility);
      series.shape = comparison.palette.marker(curve.visibility);
      series.dash = static_cast<int>(run);
      series.markers = curve.step.size() <= 30;
      chart.plot.series.push_back(std::move(series));
      all.insert(all.end(), curve.bits_per_byte.begin(), curve.bits_per_byte.end());
    }
  }
  chart.plot.y.scale = scale_for(all);
  return chart;
}

}  // namespace

std::string series_name(const RunComparison& comparison, std::string_view method, std::size_t run) {
  if (!comparison.several()) return std::string(method);
  return fmt::format("{} ({})", method, comparison.label(run));
}

PlotSeries method_series(const RunComparison& comparison, std::string_view method,
                         std::size_t run) {
  PlotSeries series;
  series.name = series_name(comparison, method, run);
  series.color = comparison.palette.color(method);
  series.shape = comparison.palette.marker(method);
  series.dash = static_cast<int>(run);
  series.markers = true;
  series.end_label = false;
  return series;
}

std::vector<Chart> main_charts(const RunComparison& comparison) {
  std::vector<Chart> charts;
  if (any_run(comparison, &MetricsHistory::loss)) {
    charts.push_back(
        step_curve("Training loss", "nats per token", comparison, &MetricsHistory::loss, true));
  }
  Chart validation = validation_chart(comparison);
  if (!validation.plot.series.empty()) charts.push_back(std::move(validation));
  return charts;
}

std::vector<Chart> side_charts(const RunComparison& comparison) {
  std::vector<Chart> charts;
  if (any_run(comparison, &MetricsHistory::lr)) {
    charts.push_back(step_curve("Learning rate", "of the optimizer step", comparison,
                                &MetricsHistory::lr, false));
    charts.back().plot.y.scale = Scale::linear;  // the shape of a schedule is meant linearly
    charts.back().plot.y.low = 0;
  }
  if (any_run(comparison, &MetricsHistory::grad_norm)) {
    charts.push_back(step_curve("Gradient norm", "before clipping", comparison,
                                &MetricsHistory::grad_norm, true));
  }
  if (any_run(comparison, &MetricsHistory::tokens_per_second)) {
    charts.push_back(step_curve("Throughput", "tokens per second", comparison,
                                &MetricsHistory::tokens_per_second, true));
    charts.back().plot.y.scale = Scale::linear;
    charts.back().plot.y.low = 0;
  }
  for (Chart& chart : charts) {
    chart.plot.width = 360;
    chart.plot.height = 210;
  }
  return charts;
}

}  // namespace unfold::eval
