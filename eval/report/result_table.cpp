#include "eval/report/result_table.h"

#include <algorithm>
#include <cmath>

#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

void mark_best(ResultBlock& block) {
  if (block.entries.size() < 2) return;
  const double sign = lower_is_better(block.metric) ? -1 : 1;
  double best = -INFINITY;
  for (const ResultEntry& entry : block.entries) {
    if (std::isfinite(entry.row.value)) best = std::max(best, sign * entry.row.value);
  }
  for (ResultEntry& entry : block.entries) {
    entry.best = std::isfinite(entry.row.value) && sign * entry.row.value == best;
  }
}

}  // namespace

std::vector<ResultBlock> group_results(const std::vector<ResultRow>& rows) {
  std::vector<ResultBlock> blocks;
  for (const ResultRow& row : rows) {
    const auto found = std::find_if(blocks.begin(), blocks.end(), [&row](const ResultBlock& block) {
      return block.task == row.task && block.metric == row.metric;
    });
    ResultBlock& block =
        found != blocks.end() ? *found : blocks.emplace_back(ResultBlock{row.task, row.metric, {}});
    block.entries.push_back({row, false});
  }
  for (ResultBlock& block : blocks) mark_best(block);
  return blocks;
}

std::vector<MethodColumn> method_columns(const std::vector<ResultRow>& rows) {
  std::vector<MethodColumn> columns;
  for (const ResultRow& row : rows) {
    const MethodColumn column = {row.method, row.ratio};
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
      columns.push_back(column);
    }
  }
  return columns;
}

}  // namespace unfold::eval
