// The report as one HTML page: style sheet and plots inline, no script, nothing fetched (a content
// security policy in the page forbids both).
#pragma once

#include <string>
#include <vector>

#include "eval/report/main_table.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

// A pure function of the runs: the same runs give the same bytes. All text is escaped. `panels` are
// build_panels(comparison). Where several compression ratios were measured, one is shown at a time;
// the choice is made by style rules alone. The page stays below some 10 MB, whatever the runs hold:
// what is left out is counted.
std::string html_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels);
std::string html_page(const RunComparison& comparison);

}  // namespace unfold::eval
