// The report for programs.
#pragma once

#include <string>
#include <vector>

#include "eval/report/main_table.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

// Of one run:
// {"run", "summary", "figures": [{"label", "value", "detail"}],
//  "results": [{"task", "metric", "method", "ratio", "value", "low", "high", "n", "attended",
//  "best", "family", ["samples_per_second", "skipped"]}]
//             or null, "step",
//  "training": {"steps", "tokens", "seconds", "loss": {"step": [..], "value": [..]}, "grad_norm",
//               "lr", "tokens_per_second"},
//  "validation": {VISIBILITY: {"step", "loss", "bits_per_byte"}},
//  "coverage": [{"method", "ratio", "tasks", "samples", "skipped", "attended",
//                "samples_per_second"}],
//  "predictions": {"files", "unreadable_lines", "unreadable_files", "problems"},
//  "versions", "config",
//  "comparisons", "needles"}
// Of several: {"runs": [the members above without the last two, of each run], "comparisons",
// "needles"}, where
//  "comparisons": [{"run", "task", "metric", "method", "ratio", "reference", "reference_ratio",
//  "n",
//                   "difference", "p", "p_adjusted"}]  paired permutation tests (main_table.h)
//  "needles": [{"run", "task", "method", "ratio", "depths", "contexts",
//               "score": [[a row a depth]]}]           null: no sample
// Training curves are thinned to about 2000 points; numbers that are not finite are null.
std::string json_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels);

}  // namespace unfold::eval
