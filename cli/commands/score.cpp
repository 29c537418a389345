// unfold score: the score of a file of predictions, ours or anybody's, as LongBench's scorer has
// it.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/error.h"
#include "eval/metrics/dataset_metric.h"
#include "eval/metrics/dataset_score.h"
#include "eval/metrics/prediction_lines.h"

namespace unfold::cli {
namespace {

struct Arguments {
  std::string dataset;
  std::string predictions;
  std::string metric;
  std::string jieba;
  bool by_length = false;
};

eval::DatasetMetric choose_metric(const Arguments& arguments) {
  const auto metrics = eval::DatasetMetric::all_of(arguments.dataset, arguments.jieba);
  if (arguments.metric.empty()) return metrics.front();
  std::string names;
  for (const eval::DatasetMetric& metric : metrics) {
    if (metric.name() == arguments.metric) return metric;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", metric.name());
  }
  core::fail("score", "--metric {}: {} has {}", arguments.metric, arguments.dataset, names);
}

nlohmann::ordered_json buckets_of(const std::vector<eval::PredictionLine>& lines,
                                  const std::vector<double>& scores, const std::string& file) {
  std::vector<std::int64_t> lengths;
  for (const eval::PredictionLine& line : lines) {
    core::require(line.has_length, "score", "{}:{}: no length: --e needs it in every line", file,
                  line.line);
    lengths.push_back(line.sample.length);
  }
  const auto percents = eval::bucket_scores(scores, lengths);
  nlohmann::ordered_json buckets;
  for (std::size_t i = 0; i < percents.size(); ++i) {
    nlohmann::ordered_json& bucket = buckets[std::string(eval::kLengthBuckets[i])];
    if (!std::isnan(percents[i])) bucket = percents[i];  // else null: no such line
  }
  return buckets;
}

void run_score(const Arguments& arguments) {
  const auto metric = choose_metric(arguments);
  const auto lines = eval::read_prediction_lines(arguments.predictions);
  const auto scores = eval::score_lines(metric, lines, arguments.predictions);
  nlohmann::ordered_json result;
  result["dataset"] = arguments.dataset;
  result["score"] = eval::dataset_score(scores);
  result["n"] = scores.size();
  result["buckets"] = arguments.by_length ? buckets_of(lines, scores, arguments.predictions)
                                          : nlohmann::ordered_json::object();
  print(result.dump() + "\n");
}

}  // namespace

void add_score_command(Command app) {
  Command score = app.add_subcommand("score", "Score a file of predictions as LongBench does");
  score.group(kRunGroup);
  const auto arguments = std::make_shared<Arguments>();
  score
      .add_option("--dataset", arguments->dataset,
                  "a data set of LongBench v1 (hotpotqa, trec, lcc, ...), or rag")
      .type_name("NAME")
      .required();
  score
      .add_option("--predictions", arguments->predictions,
                  "JSON lines with pred, answers, all_classes and length")
      .type_name("FILE")
      .required();
  score.add_flag("--e", arguments->by_length,
                 "LongBench-E: fill buckets, the scores by length of the context");
  score
      .add_option("--metric", arguments->metric,
                  "another metric of the data set; rag has subspan_em (default), em and f1")
      .type_name("NAME");
  score
      .add_option("--jieba", arguments->jieba,
                  "folder of the Python package jieba, for Chinese data sets; default: what "
                  "UNFOLD_JIEBA names, or where the package python3-jieba puts it")
      .type_name("DIR");
  score.footer(
      "Prints one line of JSON: dataset, score (mean in percent, rounded to two places), n, and "
      "buckets\n(\"0-4k\", \"4-8k\", \"8k+\" with --e, null for one without predictions; else "
      "empty).\n\n"
      "Example:\n  unfold score --dataset hotpotqa --predictions pred/model/hotpotqa.jsonl");
  score.callback([arguments] { run_score(*arguments); });
}

}  // namespace unfold::cli
