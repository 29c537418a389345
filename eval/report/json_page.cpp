#include "eval/report/json_page.h"

#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "eval/report/coverage.h"
#include "eval/report/curves.h"
#include "eval/report/heat_map.h"
#include "eval/report/result_table.h"
#include "eval/report/summary.h"

namespace unfold::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPoints = 2000;

Json thinned(const std::vector<double>& step, const std::vector<double>& values) {
  const Curve curve = downsample({step, values}, kPoints);
  return {{"step", curve.x}, {"value", curve.y}};
}

Json results_json(const std::vector<ResultRow>& rows) {
  Json list = Json::array();
  for (const ResultBlock& block : group_results(rows)) {
    for (const ResultEntry& entry : block.entries) {
      const ResultRow& row = entry.row;
      Json json = {{"task", row.task},
                   {"metric", row.metric},
                   {"method", row.method},
                   {"ratio", row.ratio},
                   {"value", row.value},
                   {"low", row.low},
                   {"high", row.high},
                   {"n", row.n},
                   {"attended", row.attended},
                   {"best", entry.best},
                   {"family", family_title(family_of(row.task, row.metric))}};
      if (row.samples_per_second > 0) json["samples_per_second"] = row.samples_per_second;
      if (row.skipped > 0) json["skipped"] = row.skipped;
      list.push_back(std::move(json));
    }
  }
  return list;
}

Json coverage_json(const std::vector<MethodCoverage>& all, std::size_t run) {
  Json list = Json::array();
  for (const MethodCoverage& one : all) {
    if (one.run != run) continue;
    list.push_back({{"method", one.method},
                    {"ratio", one.ratio},
                    {"tasks", one.tasks},
                    {"samples", one.samples},
                    {"skipped", one.skipped},
                    {"attended", one.attended},
                    {"samples_per_second", one.samples_per_second}});
  }
  return list;
}

Json run_json(const RunComparison& comparison, std::size_t run, Json coverage) {
  const RunRecord& record = comparison.runs[run];
  const MetricsHistory& history = record.history;
  Json json = {{"run", record.name}, {"summary", summary_text(record)}};
  json["figures"] = Json::array();
  std::vector<KeyFigure> figures = key_figures(record);
  for (KeyFigure& figure : score_figures(comparison, run)) figures.push_back(std::move(figure));
  for (const KeyFigure& figure : figures) {
    json["figures"].push_back(
        {{"label", figure.label}, {"value", figure.value}, {"detail", figure.detail}});
  }
  json["results"] = record.results ? results_json(record.results->rows) : Json();
  json["step"] = record.results ? Json(record.results->step) : Json();
  json["training"] = {{"steps", history.step.empty() ? 0.0 : history.step.back()},
                      {"tokens", history.tokens},
                      {"seconds", history.train_seconds},
                      {"loss", thinned(history.step, history.loss)},
                      {"grad_norm", thinned(history.step, history.grad_norm)},
                      {"lr", thinned(history.step, history.lr)},
                      {"tokens_per_second", thinned(history.step, history.tokens_per_second)}};
  json["validation"] = Json::object();
  for (const ValidationCurve& curve : history.validations) {
    json["validation"][curve.visibility] = {
        {"step", curve.step}, {"loss", curve.loss}, {"bits_per_byte", curve.bits_per_byte}};
  }
  json["coverage"] = std::move(coverage);
  const Predictions& predictions = record.predictions;
  json["predictions"] = {{"files", predictions.files.size()},
                         {"unreadable_lines", predictions.unreadable_lines},
                         {"unreadable_files", predictions.unreadable_files},
                         {"problems", predictions.problems}};
  json["versions"] = Json::object();
  if (record.results) {
    json["versions"] = {{"unfold", record.results->version},
                        {"compiler", record.results->compiler}};
  }
  json["config"] = record.config_yaml;
  return json;
}

Json comparisons_json(const RunComparison& comparison, const std::vector<RatioPanel>& panels) {
  Json list = Json::array();
  for (const RatioPanel& panel : panels) {
    for (const FamilyTable& table : panel.tables) {
      for (const TableLine& line : table.lines) {
        for (std::size_t i = 0; i < line.cells.size(); ++i) {
          const auto& outcome = line.cells[i].versus;
          if (!outcome) continue;
          const TableColumn& column = table.columns[i];
          list.push_back({{"run", comparison.runs[column.run].name},
                          {"task", line.task},
                          {"metric", line.metric},
                          {"method", column.method},
                          {"ratio", column.ratio},
                          {"reference", panel.reference},
                          {"reference_ratio", panel.ratio},
                          {"n", outcome->n},
                          {"difference", outcome->difference},
                          {"p", outcome->p},
                          {"p_adjusted", outcome->adjusted}});
        }
      }
    }
  }
  return list;
}

Json needles_json(const RunComparison& comparison) {
  Json list = Json::array();
  std::set<std::tuple<std::string, std::size_t, std::string, double>> seen;  // full: in all panels
  for (const double ratio : comparison.ratios) {
    for (const HeatMaps& maps : needle_maps(comparison, ratio)) {
      for (const HeatMap& map : maps.maps) {
        if (!seen.emplace(maps.task, map.run, map.method, map.ratio).second) continue;
        Json score = Json::array();
        for (std::size_t row = 0; row < maps.depths.size(); ++row) {
          Json line = Json::array();
          for (std::size_t column = 0; column < maps.contexts.size(); ++column) {
            const HeatCell& cell = map.cells[row * maps.contexts.size() + column];
            line.push_back(cell.n > 0 ? Json(cell.mean) : Json());
          }
          score.push_back(std::move(line));
        }
        list.push_back({{"run", comparison.runs[map.run].name},
                        {"task", maps.task},
                        {"method", map.method},
                        {"ratio", map.ratio},
                        {"depths", maps.depths},
                        {"contexts", maps.contexts},
                        {"score", std::move(score)}});
      }
    }
  }
  return list;
}

}  // namespace

std::string json_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels) {
  const std::vector<MethodCoverage> coverage = method_coverage(comparison);
  Json json;
  if (comparison.several()) {
    json["runs"] = Json::array();
    for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
      json["runs"].push_back(run_json(comparison, run, coverage_json(coverage, run)));
    }
  } else {
    json = run_json(comparison, 0, coverage_json(coverage, 0));
  }
  json["comparisons"] = comparisons_json(comparison, panels);
  json["needles"] = needles_json(comparison);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace unfold::eval
