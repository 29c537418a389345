// How the methods do on a family of tasks as the compression ratio grows.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/report/run_comparison.h"
#include "eval/report/task_family.h"

namespace unfold::eval {

struct RatioPoint {
  double ratio = 1;
  double value = 0;     // mean over the tasks
  double attended = 0;  // mean keys a query read; NaN: not known
};

struct MethodCurve {
  std::size_t run = 0;
  std::string method;
  std::vector<RatioPoint> points;  // by ratio
};

struct FamilyCurves {
  Family family = Family::other;
  std::string metric;        // of all its tasks; empty: they differ
  std::size_t tasks = 0;     // that the mean is over
  std::size_t of_tasks = 0;  // that some method or run has measured
  std::string only_task;     // where it is one; else empty
  bool fractions = false;    // all values are between 0 and 1, greater is better
  std::vector<MethodCurve> curves;
};

// Of every task its first metric counts, and in language modelling tasks of one metric alone. The
// mean is over the tasks that every method, ratio and run has measured; families without such a
// task are left out, and so are those that only one method was measured on.
std::vector<FamilyCurves> family_curves(const RunComparison& comparison);

}  // namespace unfold::eval
