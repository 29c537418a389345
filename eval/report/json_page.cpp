#include "eval/report/json_page.h"

#include <nlohmann/json.hpp>

#include "eval/report/curves.h"
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
      list.push_back({{"task", row.task},
                      {"metric", row.metric},
                      {"method", row.method},
                      {"ratio", row.ratio},
                      {"value", row.value},
                      {"low", row.low},
                      {"high", row.high},
                      {"n", row.n},
                      {"attended", row.attended},
                      {"best", entry.best}});
    }
  }
  return list;
}

}  // namespace

std::string json_page(const RunRecord& record) {
  const MetricsHistory& history = record.history;
  Json json = {{"run", record.name}, {"summary", summary_text(record)}};
  json["figures"] = Json::array();
  for (const KeyFigure& figure : key_figures(record)) {
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
  json["versions"] = Json::object();
  if (record.results) {
    json["versions"] = {{"unfold", record.results->version},
                        {"compiler", record.results->compiler}};
  }
  json["config"] = record.config_yaml;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace unfold::eval
