// How much of an evaluation was measured, and how fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "eval/report/run_comparison.h"

namespace unfold::eval {

// One method at one ratio, over its tasks.
struct MethodCoverage {
  std::size_t run = 0;
  std::string method;
  double ratio = 1;
  std::size_t tasks = 0;
  std::int64_t samples = 0;
  std::int64_t skipped = 0;       // bad records
  double attended = 0;            // mean keys a query read, over tasks that know; 0: none does
  double samples_per_second = 0;  // 0: not known
};

struct SkippedTask {
  std::size_t run = 0;
  std::string task;
  std::int64_t skipped = 0;  // by the method that skipped most
};

// By run, then method in the order of the palette, then ratio. Rows of groups count for nothing
// where their tasks have rows.
std::vector<MethodCoverage> method_coverage(const RunComparison& comparison);

std::vector<SkippedTask> skipped_tasks(const RunComparison& comparison);

// What could not be read, one sentence each; empty when all is well.
std::vector<std::string> reading_notes(const RunComparison& comparison);

}  // namespace unfold::eval
