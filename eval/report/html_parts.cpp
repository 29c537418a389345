#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"
#include "eval/report/svg_marker.h"

namespace unfold::eval {

void ReportPage::begin_section(std::string_view id, std::string_view title,
                               std::string_view caption) {
  sections_.emplace_back(id, title);
  html_.open("section", {{"id", id}});
  html_.element("h2", title);
  if (!caption.empty()) html_.element("p", caption, {{"class", "caption"}});
}

void ReportPage::end_section() {
  html_.close();
}

void ReportPage::write_ratio_choice() {
  if (panels_.size() < 2) return;
  html_.open("div", {{"class", "ratios"}});
  html_.element("span", "Compression", {{"class", "soft"}});
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    html_.element("label", fmt::format("{:.3g}\u00d7", panels_[i].ratio),
                  {{"for", fmt::format("ratio-{}", i)}});
  }
  html_.close();
}

void ReportPage::begin_panel(std::size_t panel) {
  html_.open("div", {{"class", fmt::format("at r{}", panel)}});
}

void ReportPage::end_panel() {
  html_.close();
}

namespace {

std::string key_svg(int color, Marker marker, int dash, bool line, bool dot) {
  const std::string color_name = color_class(color);
  const double width = !line ? 12 : dash % kDashes > 0 ? 34 : 22;  // a dash needs room to be seen
  std::string svg = fmt::format(
      R"(<svg class="key {}" viewBox="0 0 {:g} 12" width="{:g}" height="12" aria-hidden="true">)",
      color_name, width, width);
  if (line) {
    const std::string dashed = dash % kDashes > 0 ? fmt::format(" dash{}", dash % kDashes) : "";
    svg += fmt::format(R"(<path class="line {}{}" d="M1 6H{:g}"/>)", color_name, dashed, width - 1);
  }
  if (dot) svg += marker_svg(marker, width / 2, 6, 3.8, color_name);
  return svg + "</svg>";
}

}  // namespace

void ReportPage::write_method(std::string_view method) {
  html_.open("span", {{"class", "method"}});
  html_.raw(key_svg(comparison_.palette.color(method), comparison_.palette.marker(method), 0, false,
                    true));
  html_.element("span", method, {{"class", "name"}}).close();
}

void ReportPage::write_name(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('_', at), name.size() - 1) + 1;
    html_.text(name.substr(at, end - at));
    if (end < name.size()) html_.single("wbr");
    at = end;
  }
}

void ReportPage::write_legend(const std::vector<const PlotSeries*>& series) {
  html_.open("div", {{"class", "legend"}});
  constexpr std::size_t kMost = 120;
  for (const PlotSeries* one : series) {
    if (one == series[std::min(series.size(), kMost) - 1] && series.size() > kMost) {
      html_.element("span", fmt::format("and {} more", series.size() - kMost + 1),
                    {{"class", "soft"}});
      break;
    }
    html_.open("span", {{"class", "method"}});
    html_.raw(key_svg(one->color, one->shape, one->dash, true, one->markers));
    html_.element("span", one->name, {{"class", "name"}}).close();
  }
  html_.close();
}

void ReportPage::write_panels(const std::vector<std::vector<Chart>>& of_panels,
                              std::string_view classes) {
  write_ratio_choice();
  for (std::size_t i = 0; i < of_panels.size(); ++i) {
    begin_panel(i);
    if (!of_panels[i].empty()) {
      write_shared_legend(of_panels[i]);
      write_charts(of_panels[i], classes);
    }
    end_panel();
  }
  end_section();
}

void ReportPage::write_shared_legend(const std::vector<Chart>& charts) {
  std::set<std::string> seen;
  std::vector<const PlotSeries*> series;
  for (const Chart& chart : charts) {
    for (const PlotSeries& one : chart.plot.series) {
      if (seen.insert(one.name).second) series.push_back(&one);
    }
  }
  write_legend(series);
}

void ReportPage::write_picture(const std::string& svg) {
  if (svg.size() > picture_bytes_left_) {
    html_.element("p", "Left out: the page would grow too large.", {{"class", "more"}});
    return;
  }
  picture_bytes_left_ -= svg.size();
  html_.raw(svg);
}

void ReportPage::write_chart(const Chart& chart, bool legend) {
  html_.open("figure").open("figcaption").element("strong", chart.title);
  if (!chart.note.empty()) {
    const bool log = chart.plot.y.scale == Scale::log;
    html_.element("span", chart.note + (log ? ", log scale" : ""), {{"class", "soft"}});
  }
  html_.close();
  if (legend && chart.legend) {
    std::vector<const PlotSeries*> series;
    for (const PlotSeries& one : chart.plot.series) {
      if (!one.faint) series.push_back(&one);
    }
    write_legend(series);
  }
  write_picture(render_svg(chart.plot));
  html_.close();
}

void ReportPage::write_charts(const std::vector<Chart>& charts, std::string_view classes) {
  html_.open("div", {{"class", classes}});
  for (const Chart& chart : charts) write_chart(chart, /*legend=*/false);
  html_.close();
}

}  // namespace unfold::eval
