// Plots by the place of the gold document, and by the length of the context.
#pragma once

#include <vector>

#include "eval/report/charts.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

// Mean score by the index of the gold document (tag "gold"), one plot a task that has it, of the
// methods at `ratio` and of those that read everything.
std::vector<Chart> gold_charts(const RunComparison& comparison, double ratio);

// Seconds a sample by the tokens of its prompt: medians of samples of about one length, a curve a
// method. Empty without timed samples.
std::vector<Chart> latency_charts(const RunComparison& comparison, double ratio);

// Bits per byte (else loss, else perplexity) by length of context: of tasks measured at several
// lengths, whose rows are named TASK.LENGTH. One plot a task.
std::vector<Chart> context_charts(const RunComparison& comparison, double ratio);

}  // namespace unfold::eval
