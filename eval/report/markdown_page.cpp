#include "eval/report/markdown_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <utility>

#include "eval/report/charts.h"
#include "eval/report/coverage.h"
#include "eval/report/metric_style.h"
#include "eval/report/summary.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kValidationLines = 12;

std::string cell_text(const TableCell& cell) {
  if (!cell.row) return "";
  const ResultRow& row = *cell.row;
  const std::string value = format_metric(row.metric, row.value);
  std::string text = cell.best              ? "**" + value + "**"
                     : cell.best_compressed ? "_" + value + "_"
                                            : value;
  const std::string interval = format_interval(row.metric, row.low, row.high);
  if (!interval.empty()) text += " " + escape_markdown(interval);
  if (cell.versus && cell.versus->significant()) {
    const bool better = (cell.versus->difference > 0) != lower_is_better(row.metric);
    text += better ? " \u25b2" : " \u25bc";
  }
  return text;
}

void write_table(const RunComparison& comparison, const FamilyTable& table, std::string& out) {
  out += fmt::format("\n### {}\n\n| task | metric |", family_title(table.family));
  for (const TableColumn& column : table.columns) {
    out += " " + escape_markdown(series_name(comparison, column.method, column.run)) + " |";
  }
  out += "\n|---|---|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) out += "---:|";
  out += "\n";
  for (const TableLine& line : table.lines) {
    out += fmt::format("| {} | {} |", escape_markdown(line.task),
                       escape_markdown(metric_label(line.metric)));
    for (const TableCell& cell : line.cells) out += " " + cell_text(cell) + " |";
    out += "\n";
  }
  if (table.lines_left_out + table.columns_left_out > 0) {
    out += fmt::format("\n{} further lines and {} further columns are in report.csv only.\n",
                       table.lines_left_out, table.columns_left_out);
  }
}

void write_results(const RunComparison& comparison, const std::vector<RatioPanel>& panels,
                   std::string& out) {
  if (!comparison.evaluated()) {
    const bool evaluated =
        std::any_of(comparison.runs.begin(), comparison.runs.end(),
                    [](const RunRecord& run) { return run.results.has_value(); });
    out += "\n## Results\n\n";
    out += evaluated ? "The evaluation has no rows.\n" : "Not evaluated yet.\n";
    return;
  }
  out +=
      "\n## Results\n\n"
      "Bold: the best of a line; where that is full attention, the best of the others is in "
      "italics. Brackets: 95% interval.\n";
  for (const RatioPanel& panel : panels) {
    if (panel.reference.empty()) continue;
    out += fmt::format(
        "\u25b2 \u25bc: above or below {} on the same samples, p < 0.05 (two-sided "
        "paired permutation test, adjusted after Holm for the methods of the "
        "line).\n",
        panel.reference);
    break;
  }
  for (const RatioPanel& panel : panels) {
    if (panels.size() > 1) out += fmt::format("\n## Compression {}\n", format_ratio(panel.ratio));
    for (const FamilyTable& table : panel.tables) write_table(comparison, table, out);
  }
}

void write_coverage(const RunComparison& comparison, std::string& out) {
  constexpr std::size_t kMostRows = 300;
  std::vector<MethodCoverage> methods = method_coverage(comparison);
  if (!methods.empty()) {
    out +=
        "\n## Samples and speed\n\n"
        "| method | ratio | tasks | samples | skipped | keys | samples/s |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n";
    if (methods.size() > kMostRows) methods.resize(kMostRows);
    for (const MethodCoverage& one : methods) {
      out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n",
                         escape_markdown(series_name(comparison, one.method, one.run)),
                         format_ratio(one.ratio), one.tasks, one.samples, one.skipped,
                         format_keys(one.attended),
                         one.samples_per_second > 0 ? format_number(one.samples_per_second) : "-");
    }
  }
  for (const SkippedTask& task : skipped_tasks(comparison)) {
    out += fmt::format("\n{}: {} bad records skipped.\n", escape_markdown(task.task), task.skipped);
  }
  for (const std::string& note : reading_notes(comparison)) {
    out += "\n" + escape_markdown(note) + "\n";
  }
}

std::string bits_at(const ValidationCurve& curve, double step) {
  const auto found = std::lower_bound(curve.step.begin(), curve.step.end(), step);
  if (found == curve.step.end() || *found != step) return "";
  return format_number(curve.bits_per_byte[static_cast<std::size_t>(found - curve.step.begin())]);
}

void write_validation(const RunRecord& record, std::string& out) {
  const auto& curves = record.history.validations;
  std::set<double> distinct;
  for (const ValidationCurve& curve : curves) distinct.insert(curve.step.begin(), curve.step.end());
  if (distinct.empty()) return;
  out += "\n## Validation\n\nBits per byte of held-out text.\n\n| step |";
  for (const ValidationCurve& curve : curves)
    out += fmt::format(" {} |", escape_markdown(curve.visibility));
  out += "\n|---:|";
  for (std::size_t i = 0; i < curves.size(); ++i) out += "---:|";
  out += "\n";
  const std::vector<double> steps(distinct.begin(), distinct.end());
  const std::size_t lines = std::min(steps.size(), kValidationLines);
  for (std::size_t line = 0; line < lines; ++line) {
    // Evenly spread, the first and the last among them.
    const std::size_t index = lines == 1 ? 0 : line * (steps.size() - 1) / (lines - 1);
    out += fmt::format("| {:.0f} |", steps[index]);
    for (const ValidationCurve& curve : curves)
      out += fmt::format(" {} |", bits_at(curve, steps[index]));
    out += "\n";
  }
}

void write_config(const RunRecord& record, std::string& out) {
  if (record.config_yaml.empty()) return;
  // A fence longer than any run of backticks inside cannot be closed from within.
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : record.config_yaml) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  out += "\n## Configuration\n\n" + fence + "yaml\n" + record.config_yaml;
  if (record.config_yaml.back() != '\n') out += '\n';
  out += fence + "\n";
}

bool is_word(std::string_view text, std::size_t i) {
  return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i]));
}

}  // namespace

std::string escape_markdown(std::string_view text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '\n':
      case '\r':
      case '\t':
        safe += ' ';
        break;
      case '\\':
      case '`':
      case '*':
      case '[':
      case ']':
      case '~':
      case '|':
        (safe += '\\') += c;
        break;
      case '_':  // inside a word it marks nothing
        if (!(i > 0 && is_word(text, i - 1) && is_word(text, i + 1))) safe += '\\';
        safe += c;
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) safe += c;
    }
  }
  return safe;
}

namespace {

void write_summary(const RunComparison& comparison, std::size_t run, std::string& out) {
  const RunRecord& record = comparison.runs[run];
  out += "\n" + escape_markdown(summary_text(record)) + "\n";
  std::vector<KeyFigure> figures = score_figures(comparison, run);
  for (KeyFigure& figure : key_figures(record)) figures.push_back(std::move(figure));
  if (figures.empty()) return;
  out += "\n| figure | value | |\n|---|---:|---|\n";
  for (const KeyFigure& figure : figures) {
    out += fmt::format("| {} | {} | {} |\n", escape_markdown(figure.label), figure.value,
                       escape_markdown(figure.detail));
  }
}

// What stands behind the tables, of one run.
void write_run(const RunRecord& record, bool several, std::string& out) {
  if (several) out += "\n# " + escape_markdown(record.name) + "\n";
  write_validation(record, out);
  const std::vector<MethodNote> notes = method_notes(record);
  if (!notes.empty()) out += "\n## What each method reads\n\n";
  for (const MethodNote& note : notes) {
    out += fmt::format("- **{}**: {}\n", note.method, escape_markdown(note.text));
  }
  write_config(record, out);
  if (record.results && !record.results->version.empty()) {
    out += fmt::format("\nUnfold {}, {}\n", escape_markdown(record.results->version),
                       escape_markdown(record.results->compiler));
  }
}

}  // namespace

std::string markdown_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels) {
  std::string out;
  if (comparison.several()) {
    out += fmt::format("# {} runs side by side\n", comparison.runs.size());
    for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
      out += fmt::format("\n## {}: {}\n", comparison.label(i),
                         escape_markdown(comparison.runs[i].name));
      write_summary(comparison, i, out);
    }
  } else {
    out += "# " + escape_markdown(comparison.runs[0].name) + "\n";
    write_summary(comparison, 0, out);
  }
  write_results(comparison, panels, out);
  write_coverage(comparison, out);
  for (const RunRecord& run : comparison.runs) write_run(run, comparison.several(), out);
  return out;
}

}  // namespace unfold::eval
