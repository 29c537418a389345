// The report for programs.
#pragma once

#include <string>

#include "eval/report/run_record.h"

namespace unfold::eval {

// {"run", "summary", "figures": [{"label", "value", "detail"}],
//  "results": [{"task", "metric", "method", "ratio", "value", "low", "high", "n", "attended",
//  "best"}]
//             or null, "step",
//  "training": {"steps", "tokens", "seconds", "loss": {"step": [..], "value": [..]}, "grad_norm",
//               "lr", "tokens_per_second"},
//  "validation": {VISIBILITY: {"step", "loss", "bits_per_byte"}},
//  "versions", "config"}
// Training curves are thinned to about 2000 points; numbers that are not finite are null.
std::string json_page(const RunRecord& record);

}  // namespace unfold::eval
