#include "eval/report/html_page.h"

#include <fmt/core.h>

#include <utility>

#include "eval/report/html_sections.h"
#include "eval/report/page_style.h"
#include "eval/report/summary.h"

namespace unfold::eval {
namespace {

// Shows the panel of the chosen ratio. Without these rules, so also on paper, all are shown.
std::string ratio_rules(std::size_t ratios) {
  std::string rules = "@media screen {\n";
  for (std::size_t i = 0; i < ratios; ++i) {
    rules += fmt::format(
        "#ratio-{0}:checked ~ section .at:not(.r{0}) {{ display: none; }}\n"
        "#ratio-{0}:checked ~ section label[for=ratio-{0}] {{ background: var(--ink); color: "
        "var(--card); border-color: var(--ink); }}\n"
        "#ratio-{0}:focus-visible ~ section label[for=ratio-{0}] {{ outline: 2px solid var(--c0); "
        "outline-offset: 2px; }}\n",
        i);
  }
  return rules + "}\n";
}

std::string title_of(const RunComparison& comparison) {
  if (comparison.runs.size() == 1) return comparison.runs[0].name;
  if (comparison.runs.size() == 2) {
    return comparison.runs[0].name + " and " + comparison.runs[1].name;
  }
  return fmt::format("{} runs side by side", comparison.runs.size());
}

}  // namespace

void ReportPage::write_head() {
  html_.open("head");
  html_.single("meta", {{"charset", "utf-8"}});
  html_.single("meta", {{"http-equiv", "Content-Security-Policy"},
                        {"content", "default-src 'none'; style-src 'unsafe-inline'"}});
  html_.single("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html_.single("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html_.element("title", title_of(comparison_) + " - Unfold report");
  html_.open("style").raw(page_style()).raw(report_style());
  if (panels_.size() > 1) html_.raw(ratio_rules(panels_.size()));
  html_.close().close();
}

// The choice of the ratio: every section has labels of these inputs.
void ReportPage::write_ratio_inputs() {
  if (panels_.size() < 2) return;
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    const std::string id = fmt::format("ratio-{}", i);
    const std::string name = fmt::format("compression ratio {:.3g}", panels_[i].ratio);
    if (i == 0) {
      html_.single("input", {{"type", "radio"},
                             {"name", "ratio"},
                             {"id", id},
                             {"class", "pick"},
                             {"aria-label", name},
                             {"checked", ""}});
    } else {
      html_.single("input", {{"type", "radio"},
                             {"name", "ratio"},
                             {"id", id},
                             {"class", "pick"},
                             {"aria-label", name}});
    }
  }
}

void ReportPage::write_header() {
  html_.open("header");
  html_.element("p", comparison_.several() ? "Unfold comparison" : "Unfold run report",
                {{"class", "eyebrow"}});
  html_.element("h1", title_of(comparison_));
  if (!comparison_.several()) {
    html_.element("p", summary_text(comparison_.runs[0]), {{"class", "lede"}});
  }
  html_.close();
  if (!comparison_.several()) write_cards(0);
}

void ReportPage::write_cards(std::size_t run) {
  std::vector<KeyFigure> figures = score_figures(comparison_, run);
  for (KeyFigure& figure : key_figures(comparison_.runs[run])) figures.push_back(std::move(figure));
  if (figures.empty()) return;
  // In one row up to six, else in two.
  const std::size_t columns = figures.size() <= 6 ? figures.size() : (figures.size() + 1) / 2;
  html_.open("div", {{"class", "cards"}, {"style", fmt::format("--columns:{}", columns)}});
  for (const KeyFigure& figure : figures) {
    html_.open("div", {{"class", "card"}});
    html_.element("div", figure.label, {{"class", "label"}});
    html_.element("div", figure.value, {{"class", "value"}});
    html_.element("div", figure.detail, {{"class", "detail"}});
    html_.close();
  }
  html_.close();
}

std::string ReportPage::render() {
  // The sections first: the contents name those that are there.
  write_runs();
  write_results();
  write_family_charts();
  write_needles();
  write_gold();
  write_by_context();
  write_latency();
  write_training();
  write_coverage();
  write_samples();
  write_notes();
  write_configs();
  const std::string body = html_.str();

  html_ = HtmlWriter();
  html_.raw("<!DOCTYPE html>\n").open("html", {{"lang", "en"}});
  write_head();
  html_.open("body").open("main");
  write_header();
  if (sections_.size() > 4) {
    html_.open("nav", {{"aria-label", "Contents"}});
    for (const auto& [id, title] : sections_) html_.element("a", title, {{"href", "#" + id}});
    html_.close();
  }
  write_ratio_inputs();
  html_.raw(body);
  write_footer();
  html_.close().close().close();
  return html_.str();
}

std::string html_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels) {
  return ReportPage(comparison, panels).render();
}

std::string html_page(const RunComparison& comparison) {
  return html_page(comparison, build_panels(comparison));
}

}  // namespace unfold::eval
