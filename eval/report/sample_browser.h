// Samples to look at: what each method answered to the same question.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/report/predictions.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

struct SampleAnswer {
  const PredictionFile* file = nullptr;
  const PredictedSample* sample = nullptr;  // has a text
  std::size_t run = 0;
};

// One sample of a task under every method that answered it.
struct BrowsedSample {
  std::string id;
  std::vector<SampleAnswer> answers;  // by method, then ratio, then run; never empty
};

struct BrowsedTask {
  std::string task;
  std::size_t samples = 0;           // of the method that answered most
  std::vector<BrowsedSample> shown;  // spread evenly, in the order of the samples
};

// All samples whose texts were kept, of all tasks in the order of the families. Pointers lead into
// `comparison`, which must outlive the result.
std::vector<BrowsedTask> browsed_tasks(const RunComparison& comparison);

// `count` of `total` places, spread evenly, first and last among them.
std::vector<std::size_t> spread_evenly(std::size_t count, std::size_t total);

}  // namespace unfold::eval
