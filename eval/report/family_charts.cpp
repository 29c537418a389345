#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "eval/report/charts.h"
#include "eval/report/family_curves.h"
#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

std::string unit_note(const FamilyCurves& family) {
  const std::string what = family.metric.empty() ? "score" : metric_label(family.metric);
  const std::string unit = family.fractions ? what + ", %" : what;
  if (family.tasks == 1) {
    return family.only_task == family.metric ? unit : family.only_task + ", " + unit;
  }
  if (family.tasks == family.of_tasks) {
    return fmt::format("{}, mean of {} tasks", unit, family.tasks);
  }
  return fmt::format("{}, mean of the {} of {} tasks that all have", unit, family.tasks,
                     family.of_tasks);
}

Chart empty_chart(const FamilyCurves& family, const std::string& against) {
  Chart chart;
  chart.title = std::string(family_title(family.family));
  chart.note = unit_note(family);
  chart.legend = true;
  chart.plot.description = chart.title + " by " + against + ", one line a method";
  chart.plot.x.label = against;
  chart.plot.x.margin = 0.04;
  chart.plot.y.percent = family.fractions;
  if (family.fractions) chart.plot.y.low = 0;
  return chart;
}

std::string note_of(const FamilyCurves& family, const std::string& name, const RatioPoint& point) {
  const std::string value =
      family.fractions ? fmt::format("{:.1f}%", point.value * 100) : format_number(point.value);
  return fmt::format("{}: {} at {}, {} keys a query", name, value, format_ratio(point.ratio),
                     format_keys(point.attended));
}

void add_point(const FamilyCurves& family, const RatioPoint& point, double x, PlotSeries& series) {
  series.curve.x.push_back(x);
  series.curve.y.push_back(point.value);
  series.notes.push_back(note_of(family, series.name, point));
}

std::set<double> compressed_ratios(const FamilyCurves& family) {
  std::set<double> ratios;
  for (const MethodCurve& curve : family.curves) {
    if (reads_everything(curve.method)) continue;
    for (const RatioPoint& point : curve.points) {
      if (std::isfinite(point.ratio) && point.ratio > 0) ratios.insert(point.ratio);
    }
  }
  return ratios;
}

}  // namespace

std::vector<Chart> ratio_charts(const RunComparison& comparison) {
  std::vector<Chart> charts;
  for (const FamilyCurves& family : family_curves(comparison)) {
    const std::set<double> ratios = compressed_ratios(family);
    if (ratios.size() < 2) continue;
    Chart chart = empty_chart(family, "compression ratio");
    chart.plot.x.scale = Scale::log;
    chart.plot.x.ticks.assign(ratios.begin(), ratios.end());
    for (const MethodCurve& curve : family.curves) {
      PlotSeries series = method_series(comparison, curve.method, curve.run);
      if (reads_everything(curve.method) && curve.points.size() == 1) {
        add_point(family, curve.points[0], *ratios.begin(), series);
        add_point(family, curve.points[0], *ratios.rbegin(), series);
        series.markers = false;
      } else {
        for (const RatioPoint& point : curve.points) {
          add_point(family, point, point.ratio, series);
        }
      }
      chart.plot.series.push_back(std::move(series));
    }
    charts.push_back(std::move(chart));
  }
  return charts;
}

std::vector<Chart> attended_charts(const RunComparison& comparison) {
  std::vector<Chart> charts;
  for (const FamilyCurves& family : family_curves(comparison)) {
    Chart chart = empty_chart(family, "keys a query reads");
    chart.plot.x.scale = Scale::log;
    for (const MethodCurve& curve : family.curves) {
      PlotSeries series = method_series(comparison, curve.method, curve.run);
      std::vector<RatioPoint> points = curve.points;
      std::erase_if(points, [](const RatioPoint& point) { return !(point.attended > 0); });
      std::stable_sort(points.begin(), points.end(), [](const RatioPoint& a, const RatioPoint& b) {
        return a.attended < b.attended;
      });
      for (const RatioPoint& point : points) add_point(family, point, point.attended, series);
      if (!points.empty()) chart.plot.series.push_back(std::move(series));
    }
    if (chart.plot.series.size() > 1) charts.push_back(std::move(chart));
  }
  return charts;
}

}  // namespace unfold::eval
