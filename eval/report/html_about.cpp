#include <fmt/core.h>

#include "eval/report/coverage.h"
#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"
#include "eval/report/summary.h"
#include "eval/report/text_clip.h"

namespace unfold::eval {

void ReportPage::write_runs() {
  if (!comparison_.several()) return;
  begin_section("runs", "Runs", "");
  for (std::size_t i = 0; i < comparison_.runs.size(); ++i) {
    const RunRecord& run = comparison_.runs[i];
    html_.open("article", {{"class", "sheet run"}});
    html_.open("h3").element("span", comparison_.label(i), {{"class", "letter"}}).text(run.name);
    html_.close().element("p", summary_text(run));
    write_cards(i);
    html_.close();
  }
  end_section();
}

void ReportPage::write_notes() {
  std::vector<MethodNote> notes;
  for (const RunRecord& run : comparison_.runs) {
    for (MethodNote& note : method_notes(run)) {
      bool known = false;
      for (const MethodNote& other : notes) known = known || other.method == note.method;
      if (!known) notes.push_back(std::move(note));
    }
  }
  if (notes.empty()) return;
  begin_section("methods", "What each method reads", "");
  html_.open("dl");
  for (const MethodNote& note : notes) {
    html_.open("dt");
    write_method(note.method);
    html_.close().element("dd", note.text);
  }
  html_.close();
  end_section();
}

void ReportPage::write_coverage() {
  constexpr std::size_t kMostRows = 300;
  const std::vector<MethodCoverage> methods = method_coverage(comparison_);
  const std::vector<SkippedTask> skipped = skipped_tasks(comparison_);
  const std::vector<std::string> notes = reading_notes(comparison_);
  if (methods.empty() && notes.empty()) return;
  begin_section("coverage", "Samples and speed",
                "Samples per second are those of the evaluation, prompts and answers together.");
  html_.open("div", {{"class", "sheet"}, {"tabindex", "0"}}).open("table", {{"class", "plain"}});
  html_.open("thead").open("tr");
  if (comparison_.several()) html_.element("th", "Run", {{"scope", "col"}});
  html_.element("th", "Method", {{"scope", "col"}});
  for (const char* name : {"Ratio", "Tasks", "Samples", "Skipped", "Keys", "Samples/s"}) {
    html_.element("th", name, {{"scope", "col"}, {"class", "num"}});
  }
  html_.close().close().open("tbody");
  for (std::size_t i = 0; i < std::min(methods.size(), kMostRows); ++i) {
    const MethodCoverage& one = methods[i];
    html_.open("tr");
    if (comparison_.several()) html_.element("td", comparison_.label(one.run));
    html_.open("td");
    write_method(one.method);
    html_.close();
    html_.element("td", fmt::format("{:.3g}\u00d7", one.ratio), {{"class", "num soft"}});
    html_.element("td", fmt::format("{}", one.tasks), {{"class", "num"}});
    html_.element("td", fmt::format("{}", one.samples), {{"class", "num"}});
    html_.element("td", fmt::format("{}", one.skipped),
                  {{"class", one.skipped > 0 ? "num" : "num soft"}});
    html_.element("td", format_keys(one.attended), {{"class", "num"}});
    html_.element("td", one.samples_per_second > 0 ? format_number(one.samples_per_second) : "-",
                  {{"class", "num"}});
    html_.close();
  }
  html_.close().close().close();
  if (methods.size() > kMostRows) {
    html_.element("p", fmt::format("{} further methods are left out.", methods.size() - kMostRows),
                  {{"class", "more"}});
  }
  std::string sentence = skipped.empty() && !methods.empty() ? "No record was skipped." : "";
  constexpr std::size_t kNamed = 40;
  for (std::size_t i = 0; i < std::min(skipped.size(), kNamed); ++i) {
    sentence += fmt::format(
        "{}{}{} {}", i == 0 ? "Bad records skipped: " : ", ", skipped[i].task,
        comparison_.several() ? fmt::format(" ({})", comparison_.label(skipped[i].run)) : "",
        skipped[i].skipped);
  }
  if (skipped.size() > kNamed)
    sentence += fmt::format(" and {} tasks more", skipped.size() - kNamed);
  if (!skipped.empty()) sentence += ".";
  if (!sentence.empty()) html_.element("p", sentence, {{"class", "more"}});
  if (!notes.empty()) {
    html_.open("ul", {{"class", "more"}});
    for (const std::string& note : notes) html_.element("li", note);
    html_.close();
  }
  end_section();
}

void ReportPage::write_configs() {
  constexpr std::size_t kMostConfig = 400'000;  // bytes, of all runs together
  bool any = false;
  for (const RunRecord& run : comparison_.runs) any = any || !run.config_yaml.empty();
  if (!any) return;
  begin_section("configuration", comparison_.several() ? "Configurations" : "Configuration", "");
  for (std::size_t i = 0; i < comparison_.runs.size(); ++i) {
    const RunRecord& run = comparison_.runs[i];
    if (run.config_yaml.empty()) continue;
    html_.open("details", {{"class", "sheet"}});
    html_.element("summary", comparison_.several()
                                 ? fmt::format("{}: {}", comparison_.label(i), run.name)
                                 : std::string("Resolved config of the run"));
    html_.element("pre", clip_text(run.config_yaml, kMostConfig / comparison_.runs.size()));
    html_.close();
  }
  end_section();
}

void ReportPage::write_footer() {
  html_.open("footer");
  for (const RunRecord& run : comparison_.runs) {
    std::string versions = comparison_.several() ? run.name + ": " : "";
    versions += "made by Unfold";
    if (run.results) {
      if (!run.results->version.empty()) versions += " " + run.results->version;
      if (!run.results->compiler.empty()) versions += ", built with " + run.results->compiler;
      if (run.results->step > 0) versions += fmt::format(", step {}", run.results->step);
    }
    if (!comparison_.several()) versions[0] = 'M';
    html_.element("p", versions + ".");
  }
  html_.open("p").text("The same figures: ").element("code", "report.md").text(", ");
  html_.element("code", "report.csv").text(" and ").element("code", "report.json").text(".");
  html_.close().close();
}

}  // namespace unfold::eval
