#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

// Mean over the lines of a table of the keys that a column's queries read; 0: not known.
double column_keys(const FamilyTable& table, std::size_t column) {
  double sum = 0;
  int known = 0;
  for (const TableLine& line : table.lines) {
    const ResultRow* row = line.cells[column].row;
    if (line.group || !row || !(row->attended > 0) || !std::isfinite(row->attended)) continue;
    sum += row->attended;
    ++known;
  }
  return known > 0 ? sum / known : 0;
}

bool in_percent(const TableLine& line) {
  return std::any_of(line.cells.begin(), line.cells.end(), [&](const TableCell& cell) {
    return cell.row && shown_as_percent(line.metric, cell.row->value);
  });
}

std::string line_unit(const TableLine& line) {
  return metric_label(line.metric) + (in_percent(line) ? ", %" : "");
}

std::string interval_text(const ResultRow& row) {
  if (!std::isfinite(row.low) || !std::isfinite(row.high)) return "";
  return format_score(row.metric, row.low) + "\u2013" + format_score(row.metric, row.high);
}

std::string outcome_text(const ResultRow& row, const PairedOutcome& outcome) {
  const std::string difference = shown_as_percent(row.metric, std::abs(outcome.difference))
                                     ? fmt::format("{:+.1f} points", outcome.difference * 100)
                                     : fmt::format("{:+.4g}", outcome.difference);
  return fmt::format("{} on {} shared samples, p = {:.2g}, adjusted {:.2g}", difference, outcome.n,
                     outcome.p, outcome.adjusted);
}

bool any_compared(const RatioPanel& panel) {
  for (const FamilyTable& table : panel.tables) {
    for (const TableLine& line : table.lines) {
      for (const TableCell& cell : line.cells) {
        if (cell.versus) return true;
      }
    }
  }
  return false;
}

std::string caption_of(const std::vector<RatioPanel>& panels, bool several) {
  std::string caption =
      "Bold: the best of a line; where that is full attention, the best of the others is "
      "underlined. Below a value: its 95% interval.";
  const auto judged = std::find_if(panels.begin(), panels.end(), any_compared);
  if (judged == panels.end()) return caption;
  const std::string& reference = judged->reference;
  caption += fmt::format(
      " \u25b2 \u25bc: above or below {} on the same samples, p < 0.05 by a two-sided paired "
      "permutation test (signs of the differences; 10,000 resamples), adjusted after Holm for the "
      "methods of the line.",
      reference);
  if (several) {
    caption += fmt::format(
        " Each run is held against its own {0}, further runs' {0} against that "
        "of run A.",
        reference);
  }
  return caption;
}

}  // namespace

void ReportPage::write_results() {
  begin_section("results", "Results",
                comparison_.evaluated() ? caption_of(panels_, comparison_.several()) : "");
  if (!comparison_.evaluated()) {
    const bool evaluated =
        std::any_of(comparison_.runs.begin(), comparison_.runs.end(),
                    [](const RunRecord& run) { return run.results.has_value(); });
    html_.open("div", {{"class", "sheet"}});
    html_.element("p",
                  evaluated ? "The evaluation has no rows."
                            : "Not evaluated yet: run unfold eval on this run, then make the "
                              "report again.",
                  {{"class", "empty"}});
    html_.close();
    end_section();
    return;
  }
  write_ratio_choice();
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    begin_panel(i);
    for (const FamilyTable& table : panels_[i].tables) write_family(i, table);
    end_panel();
  }
  write_measurements();
  end_section();
}

void ReportPage::write_family(std::size_t panel, const FamilyTable& table) {
  html_.element("h3", family_title(table.family));
  // A long table scrolls under its headings.
  const bool tall = table.lines.size() > 40;
  html_.open("div", {{"class", tall ? "sheet tall" : "sheet"}, {"tabindex", "0"}});
  html_.open("table", {{"class", "matrix"}});
  write_table_head(panels_[panel], table);
  html_.open("tbody");
  for (const TableLine& line : table.lines) write_line(panels_[panel], table, line);
  html_.close().close().close();
  if (table.lines_left_out > 0) {
    html_.element("p",
                  fmt::format("{} further lines are in report.csv only.", table.lines_left_out),
                  {{"class", "more"}});
  }
  if (table.columns_left_out > 0) {
    html_.element("p",
                  fmt::format("{} further columns are in report.csv only.", table.columns_left_out),
                  {{"class", "more"}});
  }
}

void ReportPage::write_table_head(const RatioPanel& panel, const FamilyTable& table) {
  html_.open("thead").open("tr");
  html_.element("th", "Task", {{"scope", "col"}});
  for (std::size_t i = 0; i < table.columns.size();) {
    const TableColumn& column = table.columns[i];
    std::size_t end = i + 1;  // runs of one method share a heading
    while (comparison_.several() && end < table.columns.size() &&
           table.columns[end].method == column.method && table.columns[end].ratio == column.ratio) {
      ++end;
    }
    html_.open("th", {{"scope", "col"}, {"class", "num"}, {"colspan", fmt::format("{}", end - i)}});
    write_method(column.method);
    if (column.ratio != panel.ratio && !reads_everything(column.method)) {
      html_.element("small", fmt::format(" {:.3g}\u00d7", column.ratio));
    }
    html_.close();
    i = end;
  }
  html_.close();
  if (comparison_.several()) {
    html_.open("tr", {{"class", "sub"}}).element("th", "Run", {{"scope", "row"}});
    for (const TableColumn& column : table.columns) {
      html_.element(
          "th", comparison_.label(column.run),
          {{"scope", "col"}, {"class", "num"}, {"title", comparison_.runs[column.run].name}});
    }
    html_.close();
  }
  html_.open("tr", {{"class", "sub"}}).element("th", "Keys a query", {{"scope", "row"}});
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    html_.element("td", format_keys(column_keys(table, i)), {{"class", "num"}});
  }
  html_.close().close();
}

void ReportPage::write_line(const RatioPanel& panel, const FamilyTable& table,
                            const TableLine& line) {
  html_.open("tr", {{"class", line.group ? "group" : ""}});
  html_.open("th", {{"scope", "row"}});
  if (line.group) {
    html_.text("All tasks");
  } else {
    write_name(short_task(line.task));
  }
  html_.element("small", line_unit(line)).close();
  for (std::size_t i = 0; i < line.cells.size(); ++i) {
    write_cell(panel, table.columns[i], line.cells[i]);
  }
  html_.close();
}

void ReportPage::write_cell(const RatioPanel& panel, const TableColumn& column,
                            const TableCell& cell) {
  html_.open("td", {{"class", column.method == panel.reference ? "num ours" : "num"}});
  if (!cell.row) {
    html_.text("\u00b7").close();
    return;
  }
  const ResultRow& row = *cell.row;
  const std::string value = format_score(row.metric, row.value);
  if (cell.versus && cell.versus->significant()) {
    const bool better = (cell.versus->difference > 0) != lower_is_better(row.metric);
    html_.element("i", better ? "\u25b2" : "\u25bc",
                  {{"class", better ? "up" : "down"}, {"title", outcome_text(row, *cell.versus)}});
  }
  html_.element(cell.best ? "b" : cell.best_compressed ? "u" : "span", value);
  const std::string interval = interval_text(row);
  if (!interval.empty()) html_.element("small", interval);
  html_.close();
}

}  // namespace unfold::eval
