// The main table of a report: a line a task and metric, a column a method (and run), one table a
// family of tasks, all of it once for every compression ratio.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "eval/report/paired_scores.h"
#include "eval/report/run_comparison.h"
#include "eval/report/task_family.h"
#include "eval/results.h"

namespace unfold::eval {

struct TableColumn {
  std::size_t run = 0;
  std::string method;
  double ratio = 1;
};

struct TableCell {
  const ResultRow* row = nullptr;  // of the runs compared; nullptr: not measured
  bool best = false;               // of its line; never in a line of one value
  // The best of those that compress, where the best of all reads everything.
  bool best_compressed = false;
  std::optional<PairedOutcome> versus;  // against the reference column
};

struct TableLine {
  std::string task;
  std::string metric;
  bool group = false;  // the mean over the tasks of a group
  std::vector<TableCell> cells;
};

struct FamilyTable {
  Family family = Family::other;
  std::vector<TableColumn> columns;
  std::vector<TableLine> lines;
  std::size_t lines_left_out = 0;  // so that a report stays readable: report.csv has every row
  std::size_t columns_left_out = 0;
};

// What was measured at one ratio, and, beside it, what reads everything.
struct RatioPanel {
  double ratio = 1;
  std::string reference;  // method that significance is judged against; empty: none
  std::vector<FamilyTable> tables;
};

// Cells point into `comparison`, which must outlive them. Lines and columns keep the order of the
// rows, but groups come first, and methods in the order of the palette; runs stand beside each
// other under their method. A column is compared with the reference of its own run, and the
// references of further runs with the first run's.
std::vector<RatioPanel> build_panels(const RunComparison& comparison);

}  // namespace unfold::eval
