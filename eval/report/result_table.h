// Result rows grouped for reading: one block a task and metric, one entry a method.
#pragma once

#include <string>
#include <vector>

#include "eval/results.h"

namespace unfold::eval {

struct ResultEntry {
  ResultRow row;
  bool best = false;  // the best value of its block; never set in a block of one entry
};

struct ResultBlock {
  std::string task;
  std::string metric;
  std::vector<ResultEntry> entries;
};

// Blocks and entries keep the order in which they appear in the rows. Equal values are all best;
// values that are not finite never are.
std::vector<ResultBlock> group_results(const std::vector<ResultRow>& rows);

// What tells an entry from others: the method, with its ratio where one method has several.
struct MethodColumn {
  std::string method;
  double ratio = 1;
  bool operator==(const MethodColumn&) const = default;
};

// The distinct (method, ratio) pairs in order of appearance.
std::vector<MethodColumn> method_columns(const std::vector<ResultRow>& rows);

}  // namespace unfold::eval
