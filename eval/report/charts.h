// The plots of a run: which curves, in which colours, on which scales.
#pragma once

#include <string>
#include <vector>

#include "eval/report/run_record.h"
#include "eval/report/svg_plot.h"

namespace unfold::eval {

struct Chart {
  std::string title;
  std::string note;  // below the title; may be empty
  LinePlot plot;
  bool legend = false;  // the plot has several named series
};

// Training loss, and validation bits per byte per visibility. Empty without metrics.
std::vector<Chart> main_charts(const RunRecord& record);
// Learning rate, gradient norm, throughput: smaller.
std::vector<Chart> side_charts(const RunRecord& record);

}  // namespace unfold::eval
