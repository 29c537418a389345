// The parts of the HTML report. Each writes one or more <section> elements into <main>, or nothing
// where the runs hold nothing for it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/report/charts.h"
#include "eval/report/html.h"
#include "eval/report/main_table.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

class ReportPage {
 public:
  ReportPage(const RunComparison& comparison, const std::vector<RatioPanel>& panels)
      : comparison_(comparison), panels_(panels) {}
  std::string render();

 private:
  // html_page.cpp: the frame
  void write_head();
  void write_ratio_inputs();
  void write_header();
  void write_cards(std::size_t run);

  // html_results.cpp
  void write_results();
  void write_family(std::size_t panel, const FamilyTable& table);
  void write_table_head(const RatioPanel& panel, const FamilyTable& table);
  void write_line(const RatioPanel& panel, const FamilyTable& table, const TableLine& line);
  void write_cell(const RatioPanel& panel, const TableColumn& column, const TableCell& cell);

  // html_measurements.cpp: every row, with its interval drawn
  void write_measurements();

  // html_plots.cpp
  void write_family_charts();
  void write_needles();
  void write_gold();
  void write_by_context();
  void write_latency();
  void write_training();

  // html_samples.cpp
  void write_samples();

  // html_about.cpp
  void write_runs();
  void write_notes();
  void write_coverage();
  void write_configs();
  void write_footer();

  // html_parts.cpp: what sections are made of
  void begin_section(std::string_view id, std::string_view title, std::string_view caption);
  void end_section();
  void write_ratio_choice();            // labels of the inputs; nothing when there is one ratio
  void begin_panel(std::size_t panel);  // shown while its ratio is chosen
  void end_panel();
  void write_method(std::string_view method);  // marker and name
  void write_name(std::string_view name);      // may break behind an underscore
  // A picture, or a word that it is left out: the page has room for so many bytes of them.
  void write_picture(const std::string& svg);
  void write_chart(const Chart& chart, bool legend);
  void write_charts(const std::vector<Chart>& charts, std::string_view classes);
  // The charts of every panel, with one legend; the end of a section.
  void write_panels(const std::vector<std::vector<Chart>>& of_panels, std::string_view classes);
  void write_legend(const std::vector<const PlotSeries*>& series);
  void write_shared_legend(const std::vector<Chart>& charts);

  const RunComparison& comparison_;
  const std::vector<RatioPanel>& panels_;
  HtmlWriter html_;
  std::size_t picture_bytes_left_ = 3'500'000;
  std::vector<std::pair<std::string, std::string>> sections_;  // id and title, for the contents
};

}  // namespace unfold::eval
