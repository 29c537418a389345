#include "eval/report/terminal_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/report/metric_style.h"
#include "eval/report/result_table.h"

namespace unfold::eval {
namespace {

using Line = std::vector<std::string>;

// Columns a text takes on the screen: UTF-8 continuation bytes take none.
std::size_t screen_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// Names come from files: an escape sequence in one must not reach the terminal.
std::string printable(const std::string& text) {
  std::string safe = text;
  std::replace_if(
      safe.begin(), safe.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return safe;
}

std::string column_conditions(const std::vector<ResultRow>& rows, const MethodColumn& column) {
  double sum = 0;
  int count = 0;
  for (const ResultRow& row : rows) {
    if (MethodColumn{row.method, row.ratio} != column || !(row.attended > 0) ||
        !std::isfinite(row.attended))
      continue;
    sum += row.attended;
    ++count;
  }
  const std::string ratio = format_ratio(column.ratio);
  return count > 0 ? fmt::format("{}, {} keys", ratio, format_keys(sum / count)) : ratio;
}

std::string cell(const ResultBlock& block, const MethodColumn& column) {
  for (const ResultEntry& entry : block.entries) {
    const ResultRow& row = entry.row;
    if (MethodColumn{row.method, row.ratio} != column) continue;
    const std::string interval = format_interval(row.metric, row.low, row.high);
    return fmt::format("{}{}{}{}", format_metric(row.metric, row.value),
                       interval.empty() ? "" : " ", interval, entry.best ? "*" : "");
  }
  return "";
}

std::string joined(const Line& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += cells[i] + std::string(widths[i] - screen_width(cells[i]), ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

}  // namespace

std::string results_table(const Results& results) {
  if (results.rows.empty()) return "no results\n";
  const std::vector<MethodColumn> columns = method_columns(results.rows);
  std::vector<Line> lines = {{"task"}, {""}};
  for (const MethodColumn& column : columns) {
    lines[0].push_back(printable(column.method));
    lines[1].push_back(column_conditions(results.rows, column));
  }
  for (const ResultBlock& block : group_results(results.rows)) {
    Line line = {printable(block.task + " " + metric_label(block.metric))};
    for (const MethodColumn& column : columns) line.push_back(cell(block, column));
    lines.push_back(std::move(line));
  }

  std::vector<std::size_t> widths(columns.size() + 1, 0);
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], screen_width(line[i]));
    }
  }
  Line rule;
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  lines.insert(lines.begin() + 2, rule);
  std::string table;
  for (const Line& line : lines) table += joined(line, widths);
  return table + "[]: 95% interval; *: best of its line; keys: read by a query, on average\n";
}

void print_results_table(const Results& results, std::FILE* stream) {
  const std::string table = results_table(results);
  std::fwrite(table.data(), 1, table.size(), stream);
  std::fflush(stream);
}

}  // namespace unfold::eval
