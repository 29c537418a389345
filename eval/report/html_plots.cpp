#include <fmt/core.h>

#include "eval/report/heat_map.h"
#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"
#include "eval/report/sample_charts.h"

namespace unfold::eval {

void ReportPage::write_family_charts() {
  const std::vector<Chart> by_ratio = ratio_charts(comparison_);
  const std::vector<Chart> by_keys = attended_charts(comparison_);
  if (!by_ratio.empty()) {
    begin_section("by-ratio", "Score against compression ratio",
                  "Mean over the tasks of a family that every method was measured on. The line "
                  "across is full attention, which reads everything.");
    write_shared_legend(by_ratio);
    write_charts(by_ratio, "charts wide");
    end_section();
  }
  if (!by_keys.empty()) {
    begin_section("by-keys", "Score against keys read",
                  "The same scores by what was really paid: the mean number of keys a query reads, "
                  "a layer and key/value head. A method's line runs through its ratios; upper left "
                  "is better.");
    write_shared_legend(by_keys);
    write_charts(by_keys, "charts wide");
    end_section();
  }
}

void ReportPage::write_needles() {
  std::vector<std::vector<HeatMaps>> all;
  bool any = false;
  for (const RatioPanel& panel : panels_) {
    all.push_back(needle_maps(comparison_, panel.ratio));
    any = any || !all.back().empty();
  }
  if (!any) return;
  begin_section("needles", "Needle in a haystack",
                "Score by the depth of the needle (downwards, from the beginning of the context) "
                "and the length of the context in tokens (across). Dashed: not measured.");
  write_ratio_choice();
  html_.raw(R"(<p class="scale soft">0% <span aria-hidden="true"></span> 100%</p>)");
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    begin_panel(i);
    for (const HeatMaps& maps : all[i]) {
      html_.element("h3", short_task(maps.task));
      html_.open("div", {{"class", "charts maps"}});
      for (const HeatMap& map : maps.maps) {
        html_.open("figure").open("figcaption");
        write_method(series_name(comparison_, map.method, map.run));
        html_.element("span", fmt::format("{:.1f}%", map.mean * 100), {{"class", "figure"}});
        html_.close();
        write_picture(heat_map_svg(maps, map));
        html_.close();
      }
      html_.close();
      if (maps.left_out > 0) {
        html_.element("p", fmt::format("{} further maps are left out.", maps.left_out),
                      {{"class", "more"}});
      }
    }
    end_panel();
  }
  end_section();
}

namespace {

template <typename Make>
std::vector<std::vector<Chart>> charts_of_panels(const std::vector<RatioPanel>& panels,
                                                 Make&& make) {
  std::vector<std::vector<Chart>> all;
  for (const RatioPanel& panel : panels) all.push_back(make(panel.ratio));
  return all;
}

bool any_chart(const std::vector<std::vector<Chart>>& all) {
  for (const auto& charts : all) {
    if (!charts.empty()) return true;
  }
  return false;
}

}  // namespace

void ReportPage::write_gold() {
  const auto all =
      charts_of_panels(panels_, [this](double ratio) { return gold_charts(comparison_, ratio); });
  if (!any_chart(all)) return;
  begin_section("gold", "Score by gold position",
                "Mean score by where the document with the answer stands among the documents.");
  write_panels(all, "charts wide");
}

void ReportPage::write_by_context() {
  const auto all = charts_of_panels(
      panels_, [this](double ratio) { return context_charts(comparison_, ratio); });
  if (!any_chart(all)) return;
  begin_section("by-context", "Language modelling by context",
                "How well the same tokens are predicted behind ever longer contexts: what falls is "
                "what a method draws from further back.");
  write_panels(all, "charts wide");
}

void ReportPage::write_latency() {
  const auto all = charts_of_panels(
      panels_, [this](double ratio) { return latency_charts(comparison_, ratio); });
  if (!any_chart(all)) return;
  begin_section("latency", "Latency against context",
                "Time of a sample, prompt and answer together; samples of one batch share its "
                "time. Medians over prompts of about one length.");
  write_panels(all, "charts one");
}

void ReportPage::write_training() {
  const std::vector<Chart> large = main_charts(comparison_);
  const std::vector<Chart> small = side_charts(comparison_);
  if (large.empty() && small.empty()) return;
  begin_section("training", "Training", "");
  html_.open("div", {{"class", "charts wide"}});
  for (const Chart& chart : large) write_chart(chart, /*legend=*/true);
  html_.close();
  html_.open("div", {{"class", "charts side"}});
  for (const Chart& chart : small) write_chart(chart, /*legend=*/false);
  html_.close();
  end_section();
}

}  // namespace unfold::eval
