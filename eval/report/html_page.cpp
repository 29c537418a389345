#include "eval/report/html_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "eval/report/charts.h"
#include "eval/report/html.h"
#include "eval/report/metric_style.h"
#include "eval/report/page_style.h"
#include "eval/report/result_table.h"
#include "eval/report/summary.h"

namespace unfold::eval {
namespace {

std::string ratio_text(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.3g}\u00d7", ratio) : "-";
}

void write_head(const RunRecord& record, HtmlWriter& html) {
  html.open("head");
  html.single("meta", {{"charset", "utf-8"}});
  html.single("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.single("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.element("title", record.name + " - Unfold report");
  html.open("style").raw(page_style()).close();
  html.close();
}

void write_header(const RunRecord& record, HtmlWriter& html) {
  html.open("header");
  html.element("p", "Unfold run report", {{"class", "eyebrow"}});
  html.element("h1", record.name);
  html.element("p", summary_text(record), {{"class", "lede"}});
  html.close();
}

void write_cards(const RunRecord& record, HtmlWriter& html) {
  const std::vector<KeyFigure> figures = key_figures(record);
  if (figures.empty()) return;
  html.open("div", {{"class", "cards"}});
  for (const KeyFigure& figure : figures) {
    html.open("div", {{"class", "card"}});
    html.element("div", figure.label, {{"class", "label"}});
    html.element("div", figure.value, {{"class", "value"}});
    html.element("div", figure.detail, {{"class", "detail"}});
    html.close();
  }
  html.close();
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

void write_method_cell(const RunRecord& record, const std::string& method, HtmlWriter& html) {
  html.open("td", {{"class", color_class(record.color_of(method))}});
  html.element("span", "", {{"class", "swatch"}}).element("span", method, {{"class", "name"}});
  html.close();
}

void write_result_row(const RunRecord& record, const ResultEntry& entry, const IntervalStrip& strip,
                      double most_attended, HtmlWriter& html) {
  const ResultRow& row = entry.row;
  const std::string color = color_class(record.color_of(row.method));
  write_method_cell(record, row.method, html);
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

void write_block(const RunRecord& record, const ResultBlock& block, HtmlWriter& html) {
  const IntervalStrip strip(block);
  double most_attended = 0;
  for (const ResultEntry& entry : block.entries) {
    if (std::isfinite(entry.row.attended))
      most_attended = std::max(most_attended, entry.row.attended);
  }
  html.open("tbody", {{"class", "block"}});
  for (std::size_t i = 0; i < block.entries.size(); ++i) {
    html.open("tr");
    if (i == 0) {
      html.open("th",
                {{"scope", "rowgroup"}, {"rowspan", fmt::format("{}", block.entries.size())}});
      html.text(block.task).element("small", metric_label(block.metric)).close();
    }
    write_result_row(record, block.entries[i], strip, most_attended, html);
    html.close();
  }
  html.close();
}

void write_results(const RunRecord& record, HtmlWriter& html) {
  html.element("h2", "Results");
  if (!record.results || record.results->rows.empty()) {
    html.open("div", {{"class", "sheet"}});
    html.element("p",
                 record.results ? "The evaluation has no rows."
                                : "Not evaluated yet: run unfold eval on this run, then make the "
                                  "report again.",
                 {{"class", "empty"}});
    html.close();
    return;
  }
  html.element(
      "p",
      "Bold: the best value of a task. Brackets and bars: 95% interval. Keys: mean number of "
      "keys a query reads.",
      {{"class", "caption"}});
  html.open("div", {{"class", "sheet"}, {"tabindex", "0"}}).open("table").open("thead").open("tr");
  html.element("th", "Task", {{"scope", "col"}}).element("th", "Method", {{"scope", "col"}});
  html.element("th", "Value", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "95% interval", {{"scope", "col"}, {"class", "interval"}});
  html.element("th", "", {{"class", "strip-cell"}});
  html.element("th", "Keys", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "Ratio", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "n", {{"scope", "col"}, {"class", "num"}});
  html.close().close();
  for (const ResultBlock& block : group_results(record.results->rows)) {
    write_block(record, block, html);
  }
  html.close().close();
}

void write_notes(const RunRecord& record, HtmlWriter& html) {
  const std::vector<MethodNote> notes = method_notes(record);
  if (notes.empty()) return;
  html.element("h2", "What each method reads");
  html.open("dl");
  for (const MethodNote& note : notes) {
    html.open("dt", {{"class", color_class(record.color_of(note.method))}});
    html.element("span", "", {{"class", "swatch"}})
        .element("span", note.method, {{"class", "name"}});
    html.close();
    html.element("dd", note.text);
  }
  html.close();
}

void write_chart(const Chart& chart, HtmlWriter& html) {
  html.open("figure").open("figcaption").element("strong", chart.title);
  if (!chart.note.empty()) {
    const bool log = chart.plot.y.scale == Scale::log;
    html.element("span", chart.note + (log ? ", log scale" : ""), {{"class", "soft"}});
  }
  if (chart.legend) {
    html.open("span", {{"class", "legend"}});
    for (const PlotSeries& series : chart.plot.series) {
      html.open("span", {{"class", color_class(series.color)}});
      html.element("span", "", {{"class", "swatch"}})
          .element("span", series.name, {{"class", "name"}});
      html.close();
    }
    html.close();
  }
  html.close().raw(render_svg(chart.plot)).close();
}

void write_charts(const RunRecord& record, HtmlWriter& html) {
  const std::vector<Chart> large = main_charts(record);
  const std::vector<Chart> small = side_charts(record);
  if (large.empty() && small.empty()) return;
  html.element("h2", "Training");
  html.open("div", {{"class", "charts wide"}});
  for (const Chart& chart : large) write_chart(chart, html);
  html.close();
  html.open("div", {{"class", "charts side"}});
  for (const Chart& chart : small) write_chart(chart, html);
  html.close();
}

void write_config(const RunRecord& record, HtmlWriter& html) {
  if (record.config_yaml.empty()) return;
  html.element("h2", "Configuration");
  html.open("details", {{"class", "sheet"}});
  html.element("summary", "Resolved config of the run");
  html.element("pre", record.config_yaml);
  html.close();
}

void write_footer(const RunRecord& record, HtmlWriter& html) {
  std::string versions = "Made by Unfold";
  if (record.results) {
    if (!record.results->version.empty()) versions += " " + record.results->version;
    if (!record.results->compiler.empty()) versions += ", built with " + record.results->compiler;
  }
  html.open("footer").text(versions + ". The same figures: ").element("code", "report.md");
  html.text(" and ").element("code", "report.json").text(".").close();
}

}  // namespace

std::string html_page(const RunRecord& record) {
  HtmlWriter html;
  html.raw("<!DOCTYPE html>\n").open("html", {{"lang", "en"}});
  write_head(record, html);
  html.open("body").open("main");
  write_header(record, html);
  write_cards(record, html);
  write_results(record, html);
  write_charts(record, html);
  write_notes(record, html);
  write_config(record, html);
  write_footer(record, html);
  html.close().close().close();
  return html.str();
}

}  // namespace unfold::eval
