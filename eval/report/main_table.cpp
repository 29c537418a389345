#include "eval/report/main_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "eval/metrics/paired_test.h"
#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kMostColumns = 60;    // of a table
constexpr std::size_t kMostCells = 15'000;  // of all tables together

struct RunRow {
  std::size_t run;
  const ResultRow* row;
};

std::vector<RunRow> rows_at(const RunComparison& comparison, double ratio) {
  std::vector<RunRow> rows;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    const auto& results = comparison.runs[run].results;
    if (!results) continue;
    for (const ResultRow& row : results->rows) {
      if (belongs_to_ratio(row.method, row.ratio, ratio)) rows.push_back({run, &row});
    }
  }
  return rows;
}

std::set<std::string> groups_of(const std::vector<RunRow>& rows) {
  std::set<std::string> groups;
  for (const RunRow& row : rows) groups.insert(std::string(group_of(row.row->task)));
  groups.erase("");
  return groups;
}

using ColumnKey = std::tuple<std::size_t, double, std::size_t, std::string>;

// By method, then ratio and run: the same method of several runs stands side by side.
ColumnKey column_key(const RunComparison& comparison, const RunRow& row) {
  return {comparison.palette.rank(row.row->method), row.row->ratio, row.run, row.row->method};
}

FamilyTable family_table(const RunComparison& comparison, Family family,
                         const std::vector<RunRow>& rows, const std::set<std::string>& groups,
                         std::size_t& cells_left) {
  FamilyTable table;
  table.family = family;
  std::map<ColumnKey, std::size_t> columns;
  for (const RunRow& row : rows) columns.emplace(column_key(comparison, row), 0);
  for (auto& [key, place] : columns) {
    place = table.columns.size() + table.columns_left_out;
    if (place >= kMostColumns) {
      ++table.columns_left_out;
    } else {
      table.columns.push_back({std::get<2>(key), std::get<3>(key), std::get<1>(key)});
    }
  }
  const std::size_t most_lines = cells_left / table.columns.size();
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> lines;
  for (const RunRow& row : rows) {
    const auto [found, added] = lines.try_emplace({row.row->task, row.row->metric}, lines.size());
    if (found->second >= most_lines) continue;
    if (added) {
      table.lines.push_back({row.row->task, row.row->metric, groups.contains(row.row->task),
                             std::vector<TableCell>(table.columns.size())});
    }
    const std::size_t column = columns[column_key(comparison, row)];
    if (column >= table.columns.size()) continue;
    TableCell& cell = table.lines[found->second].cells[column];
    if (!cell.row) cell.row = row.row;  // the first of several stands
  }
  table.lines_left_out = lines.size() - table.lines.size();
  cells_left -= table.lines.size() * table.columns.size();
  std::stable_partition(table.lines.begin(), table.lines.end(),
                        [](const TableLine& line) { return line.group; });
  return table;
}

template <typename Eligible, typename Mark>
void mark_best(TableLine& line, Eligible&& eligible, Mark&& mark) {
  const double sign = lower_is_better(line.metric) ? -1 : 1;
  double best = -INFINITY;
  for (std::size_t i = 0; i < line.cells.size(); ++i) {
    const ResultRow* row = line.cells[i].row;
    if (row && std::isfinite(row->value) && eligible(*row))
      best = std::max(best, sign * row->value);
  }
  for (TableCell& cell : line.cells) {
    if (cell.row && eligible(*cell.row) && sign * cell.row->value == best) mark(cell);
  }
}

void mark_line(TableLine& line) {
  const auto measured = std::count_if(line.cells.begin(), line.cells.end(),
                                      [](const TableCell& cell) { return cell.row != nullptr; });
  if (measured < 2) return;
  mark_best(
      line, [](const ResultRow&) { return true; }, [](TableCell& cell) { cell.best = true; });
  const bool compressed_is_best = std::any_of(
      line.cells.begin(), line.cells.end(),
      [](const TableCell& cell) { return cell.best && !reads_everything(cell.row->method); });
  if (compressed_is_best) return;
  mark_best(
      line, [](const ResultRow& row) { return !reads_everything(row.method); },
      [](TableCell& cell) { cell.best_compressed = true; });
}

// What a column is compared with: the reference of its run; for that, the one of the first run.
std::optional<PairedScores::Source> reference_of(const TableColumn& column,
                                                 const std::string& reference, double ratio) {
  if (column.method != reference || column.ratio != ratio) {
    return PairedScores::Source{column.run, reference, ratio};
  }
  if (column.run == 0) return std::nullopt;
  return PairedScores::Source{0, reference, ratio};
}

void compare_line(const PairedScores& scores, const std::string& reference, double ratio,
                  const std::vector<TableColumn>& columns, TableLine& line) {
  std::vector<double> p_values;
  std::vector<TableCell*> compared;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto source = reference_of(columns[i], reference, ratio);
    if (!source || !line.cells[i].row) continue;
    line.cells[i].versus = scores.compare(
        line.task, line.metric, {columns[i].run, columns[i].method, columns[i].ratio}, *source);
    if (!line.cells[i].versus) continue;
    compared.push_back(&line.cells[i]);
    p_values.push_back(line.cells[i].versus->p);
  }
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (std::size_t i = 0; i < compared.size(); ++i) compared[i]->versus->adjusted = adjusted[i];
}

std::string panel_reference(const std::vector<RunRow>& rows, double ratio) {
  std::vector<std::string> methods;
  for (const RunRow& row : rows) {
    if (row.row->ratio == ratio) methods.push_back(row.row->method);
  }
  return reference_method(methods);
}

}  // namespace

std::vector<RatioPanel> build_panels(const RunComparison& comparison) {
  const PairedScores scores(comparison.runs);
  std::vector<RatioPanel> panels;
  std::size_t cells_left = kMostCells;
  for (const double ratio : comparison.ratios) {
    const std::vector<RunRow> rows = rows_at(comparison, ratio);
    const std::set<std::string> groups = groups_of(rows);
    std::vector<std::vector<RunRow>> by_family(kFamilies);
    for (const RunRow& row : rows) {
      const Family family = family_of(row.row->task, row.row->metric);
      by_family[static_cast<std::size_t>(family)].push_back(row);
    }
    RatioPanel panel;
    panel.ratio = ratio;
    panel.reference = panel_reference(rows, ratio);
    for (int family = 0; family < kFamilies; ++family) {
      const auto& members = by_family[static_cast<std::size_t>(family)];
      if (members.empty()) continue;
      FamilyTable table =
          family_table(comparison, static_cast<Family>(family), members, groups, cells_left);
      for (TableLine& line : table.lines) {
        mark_line(line);
        if (!panel.reference.empty()) {
          compare_line(scores, panel.reference, ratio, table.columns, line);
        }
      }
      panel.tables.push_back(std::move(table));
    }
    panels.push_back(std::move(panel));
  }
  return panels;
}

}  // namespace unfold::eval
