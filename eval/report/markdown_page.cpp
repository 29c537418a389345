#include "eval/report/markdown_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "eval/report/metric_style.h"
#include "eval/report/result_table.h"
#include "eval/report/summary.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kValidationLines = 12;

void write_results(const RunRecord& record, std::string& out) {
  out += "\n## Results\n\n";
  if (!record.results || record.results->rows.empty()) {
    out += record.results ? "The evaluation has no rows.\n" : "Not evaluated yet.\n";
    return;
  }
  out += "Bold: the best value of a task. Keys: mean number of keys a query reads.\n\n";
  out += "| task | metric | method | value | 95% interval | keys | ratio | n |\n";
  out += "|---|---|---|---:|---|---:|---:|---:|\n";
  for (const ResultBlock& block : group_results(record.results->rows)) {
    for (const ResultEntry& entry : block.entries) {
      const ResultRow& row = entry.row;
      const std::string value = format_metric(row.metric, row.value);
      out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", escape_markdown(row.task),
                         escape_markdown(metric_label(row.metric)), escape_markdown(row.method),
                         entry.best ? "**" + value + "**" : value,
                         escape_markdown(format_interval(row.metric, row.low, row.high)),
                         format_keys(row.attended), format_ratio(row.ratio), row.n);
    }
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

std::string markdown_page(const RunRecord& record) {
  std::string out = "# " + escape_markdown(record.name) + "\n\n";
  out += escape_markdown(summary_text(record)) + "\n";
  const std::vector<KeyFigure> figures = key_figures(record);
  if (!figures.empty()) {
    out += "\n| figure | value | |\n|---|---:|---|\n";
    for (const KeyFigure& figure : figures) {
      out += fmt::format("| {} | {} | {} |\n", figure.label, figure.value, figure.detail);
    }
  }
  write_results(record, out);
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
  return out;
}

}  // namespace unfold::eval
