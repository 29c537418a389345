// The runs of a report, side by side.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/report/method_style.h"
#include "eval/report/run_record.h"

namespace unfold::eval {

inline constexpr std::size_t kMostRatios = 12;

struct RunComparison {
  std::vector<RunRecord> runs;  // at least one; names differ
  MethodPalette palette;        // of the methods of all runs
  std::vector<double> ratios;   // compression ratios to report, ascending; {1}: nothing compresses
  std::size_t ratios_left_out = 0;  // beyond the first kMostRatios

  bool several() const { return runs.size() > 1; }
  bool evaluated() const;  // any run has a row
  // Short names of runs in tables and plots: "A", "B", ...
  std::string label(std::size_t run) const;
};

// Names that are alike are told apart by the folders above them, or by a number.
RunComparison compare_runs(std::vector<RunRecord> runs);

}  // namespace unfold::eval
