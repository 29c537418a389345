#include "eval/report/csv_page.h"

#include <fmt/core.h>

#include <cmath>
#include <iterator>
#include <map>

namespace unfold::eval {
namespace {

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "";
}

std::string known(double value) {
  return value > 0 ? number(value) : "";
}

}  // namespace

std::string csv_field(std::string_view text) {
  std::string field;
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) {
    field += '\'';
  }
  field += text;
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels) {
  // A row that stands in several panels (full attention) is compared with several references: only
  // one of its own ratio says what a row can say.
  std::map<const ResultRow*, const PairedOutcome*> outcomes;
  for (const RatioPanel& panel : panels) {
    for (const FamilyTable& table : panel.tables) {
      for (const TableLine& line : table.lines) {
        for (const TableCell& cell : line.cells) {
          if (!cell.row || !cell.versus) continue;
          if (cell.row->ratio == panel.ratio || panels.size() == 1) {
            outcomes[cell.row] = &*cell.versus;
          }
        }
      }
    }
  }
  std::string out =
      "run,task,metric,method,ratio,value,low,high,n,attended,samples_per_second,skipped,"
      "difference,p_value,p_adjusted\r\n";
  for (const RunRecord& run : comparison.runs) {
    if (!run.results) continue;
    for (const ResultRow& row : run.results->rows) {
      fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{},{},{}",
                     csv_field(run.name), csv_field(row.task), csv_field(row.metric),
                     csv_field(row.method), number(row.ratio), number(row.value), number(row.low),
                     number(row.high), row.n, known(row.attended), known(row.samples_per_second),
                     row.skipped);
      const auto found = outcomes.find(&row);
      if (found == outcomes.end()) {
        out += ",,,\r\n";
      } else {
        const PairedOutcome& outcome = *found->second;
        out += fmt::format(",{},{},{}\r\n", number(outcome.difference), number(outcome.p),
                           number(outcome.adjusted));
      }
    }
  }
  return out;
}

}  // namespace unfold::eval
