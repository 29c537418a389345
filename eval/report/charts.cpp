#include "eval/report/charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

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

// A curve over the steps; with `trend`, its moving mean over the faint single steps when there are
// enough of them.
Chart step_curve(std::string title, std::string note, const RunRecord& record,
                 const std::vector<double>& values, bool trend) {
  Chart chart;
  chart.title = std::move(title);
  chart.note = std::move(note);
  chart.plot.x.label = "step";
  chart.plot.x.low = 0;
  chart.plot.x.whole = true;
  chart.plot.y.scale = scale_for(values);
  chart.plot.description = chart.title + " over training steps";
  const Curve curve = {record.history.step, values};
  const std::size_t half = trend ? trend_half_window(curve.size()) : 0;
  const bool few = curve.size() <= 30;
  chart.plot.series.push_back({.name = chart.title,
                               .curve = downsample(curve, kDrawnPoints),
                               .faint = half > 0,
                               .markers = few,
                               .end_label = half == 0});
  if (half > 0) {
    chart.plot.series.push_back({.name = chart.title + ", moving mean",
                                 .curve = downsample(smooth(curve, half), kDrawnPoints)});
    chart.note = with_note(chart.note, fmt::format("mean of {} steps", 2 * half + 1));
  }
  return chart;
}

Chart validation_chart(const RunRecord& record) {
  Chart chart;
  chart.title = "Validation";
  chart.note = "bits per byte of held-out text";
  chart.legend = true;
  chart.plot.x.label = "step";
  chart.plot.x.low = 0;
  chart.plot.x.whole = true;
  chart.plot.description = "Validation bits per byte over training steps, one curve a visibility";
  std::vector<double> all;
  for (const ValidationCurve& curve : record.history.validations) {
    chart.plot.series.push_back(
        {.name = curve.visibility,
         .curve = downsample({curve.step, curve.bits_per_byte}, kDrawnPoints),
         .color = record.color_of(curve.visibility),
         .markers = curve.step.size() <= 30});
    all.insert(all.end(), curve.bits_per_byte.begin(), curve.bits_per_byte.end());
  }
  chart.plot.y.scale = scale_for(all);
  return chart;
}

}  // namespace

std::vector<Chart> main_charts(const RunRecord& record) {
  std::vector<Chart> charts;
  if (any_finite(record.history.loss)) {
    charts.push_back(
        step_curve("Training loss", "nats per token", record, record.history.loss, true));
  }
  const auto& validations = record.history.validations;
  if (std::any_of(validations.begin(), validations.end(),
                  [](const ValidationCurve& curve) { return any_finite(curve.bits_per_byte); })) {
    charts.push_back(validation_chart(record));
  }
  return charts;
}

std::vector<Chart> side_charts(const RunRecord& record) {
  const MetricsHistory& history = record.history;
  std::vector<Chart> charts;
  if (any_finite(history.lr)) {
    charts.push_back(
        step_curve("Learning rate", "of the optimizer step", record, history.lr, false));
    charts.back().plot.y.scale = Scale::linear;  // the shape of a schedule is meant linearly
    charts.back().plot.y.low = 0;
  }
  if (any_finite(history.grad_norm)) {
    charts.push_back(
        step_curve("Gradient norm", "before clipping", record, history.grad_norm, true));
  }
  if (any_finite(history.tokens_per_second)) {
    charts.push_back(
        step_curve("Throughput", "tokens per second", record, history.tokens_per_second, true));
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
