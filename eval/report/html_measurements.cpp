#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"
#include "eval/report/result_table.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kMostRows = 1200;  // on the page, of all runs together

std::string ratio_text(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.3g}\u00d7", ratio) : "-";
}

// Value and interval of every method of a block on one common scale.
class IntervalStrip {
 public:
  explicit IntervalStrip(const ResultBlock& block) {
    std::vector<double> ends;
    for (const ResultEntry& entry : block.entries) {
      ends.insert(ends.end(), {entry.row.low, entry.row.value, entry.row.high});
    }
    range_ = range_of(ends, Scale::linear, 0.06);
  }

  std::string svg(const ResultRow& row) const {
    std::string out = R"(<svg class="strip" viewBox="0 0 132 18" aria-hidden="true">)"
                      R"(<line class="track" x1="4" x2="128" y1="9" y2="9"/>)";
    if (std::isfinite(row.low) && std::isfinite(row.high)) {
      out += fmt::format(R"(<line x1="{:.1f}" x2="{:.1f}" y1="9" y2="9"/>)", at(row.low),
                         at(row.high));
    }
    if (std::isfinite(row.value)) {
      out += fmt::format(R"(<circle cx="{:.1f}" cy="9" r="4"/>)", at(row.value));
    }
    return out + "</svg>";
  }

 private:
  double at(double value) const {
    const double share = (value - range_.low) / (range_.high - range_.low);
    return 4 + 124 * std::clamp(share, 0.0, 1.0);
  }
  Range range_;
};

void write_row(const ResultEntry& entry, const IntervalStrip& strip, const std::string& color,
               double most_attended, HtmlWriter& html) {
  const ResultRow& row = entry.row;
  const std::string interval = format_interval(row.metric, row.low, row.high);
  html.open("td", {{"class", "num"}});
  html.element(entry.best ? "b" : "span", format_metric(row.metric, row.value));
  if (!interval.empty()) html.element("small", interval, {{"class", "narrow"}});
  html.close();
  html.element("td", interval, {{"class", "soft interval"}});
  html.open("td", {{"class", "strip-cell " + color}}).raw(strip.svg(row)).close();
  html.open("td", {{"class", "num " + color}});
  html.element("span", format_keys(row.attended), {{"class", "name"}});
  if (most_attended > 0 && std::isfinite(row.attended)) {
    const double share = std::clamp(row.attended / most_attended, 0.0, 1.0) * 100;
    html.raw(fmt::format(R"(<span class="bar"><i style="width:{:.1f}%"></i></span>)", share));
  }
  html.close();
  html.element("td", ratio_text(row.ratio), {{"class", "num soft"}});
  html.element("td", fmt::format("{}", row.n), {{"class", "num soft"}});
}

void write_heading(HtmlWriter& html) {
  html.open("thead").open("tr");
  html.element("th", "Task", {{"scope", "col"}}).element("th", "Method", {{"scope", "col"}});
  html.element("th", "Value", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "95% interval", {{"scope", "col"}, {"class", "interval"}});
  html.element("th", "", {{"class", "strip-cell"}});
  html.element("th", "Keys", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "Ratio", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "n", {{"scope", "col"}, {"class", "num"}});
  html.close().close();
}

double most_attended(const ResultBlock& block) {
  double most = 0;
  for (const ResultEntry& entry : block.entries) {
    if (std::isfinite(entry.row.attended)) most = std::max(most, entry.row.attended);
  }
  return most;
}

}  // namespace

void ReportPage::write_measurements() {
  std::size_t left = kMostRows;
  for (const RunRecord& record : comparison_.runs) {
    if (!record.results || record.results->rows.empty()) continue;
    html_.open("details", {{"class", "sheet"}, {"tabindex", "0"}});
    html_.element("summary", fmt::format("Every measurement{} ({})",
                                         comparison_.several() ? " of " + record.name : "",
                                         record.results->rows.size()));
    html_.open("table");
    write_heading(html_);
    std::size_t shown = 0;
    for (const ResultBlock& block : group_results(record.results->rows)) {
      const std::size_t rows = std::min(block.entries.size(), left);
      if (rows == 0) break;
      const IntervalStrip strip(block);
      const double most = most_attended(block);
      html_.open("tbody", {{"class", "block"}});
      for (std::size_t i = 0; i < rows; ++i) {
        const ResultEntry& entry = block.entries[i];
        html_.open("tr");
        if (i == 0) {
          html_.open("th", {{"scope", "rowgroup"}, {"rowspan", fmt::format("{}", rows)}});
          html_.text(block.task).element("small", metric_label(block.metric)).close();
        }
        html_.open("td");
        write_method(entry.row.method);
        html_.close();
        write_row(entry, strip, color_class(comparison_.palette.color(entry.row.method)), most,
                  html_);
        html_.close();
      }
      html_.close();
      shown += rows;
      left -= rows;
    }
    html_.close();
    if (shown < record.results->rows.size()) {
      html_.element(
          "p",
          fmt::format("{} further rows are in report.csv.", record.results->rows.size() - shown),
          {{"class", "empty"}});
    }
    html_.close();
  }
}

}  // namespace unfold::eval
