#include "eval/report/result_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

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
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> places;
  for (const ResultRow& row : rows) {
    const auto [place, added] = places.try_emplace({row.task, row.metric}, blocks.size());
    if (added) blocks.push_back({row.task, row.metric, {}});
    blocks[place->second].entries.push_back({row, false});
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
