// The plots of a report: which curves, in which colours, on which scales.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "eval/report/run_comparison.h"
#include "eval/report/svg_plot.h"

namespace unfold::eval {

struct Chart {
  std::string title;
  std::string note;  // below the title; may be empty
  LinePlot plot;
  bool legend = false;  // the plot has several named series
};

// "gsa"; of several runs "gsa (A)".
std::string series_name(const RunComparison& comparison, std::string_view method, std::size_t run);
// A curve of markers in the colour and shape of its method, without points yet.
PlotSeries method_series(const RunComparison& comparison, std::string_view method, std::size_t run);

// Training loss, and validation bits per byte per visibility; several runs lie over each other.
// Empty without metrics.
std::vector<Chart> main_charts(const RunComparison& comparison);
// Learning rate, gradient norm, throughput: smaller.
std::vector<Chart> side_charts(const RunComparison& comparison);

// Score against compression ratio, one plot a family of tasks measured at two ratios or more. What
// reads everything is a line across.
std::vector<Chart> ratio_charts(const RunComparison& comparison);
// Score against the keys that a query really read, a line through the ratios of a method.
std::vector<Chart> attended_charts(const RunComparison& comparison);

}  // namespace unfold::eval
