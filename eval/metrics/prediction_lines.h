// Files of predictions in the official form of LongBench: one JSON object a line with pred,
// answers, all_classes and length; other members are passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "eval/metrics/dataset_metric.h"

namespace unfold::eval {

struct PredictionLine {
  ScoredSample sample;
  bool has_length = false;
  std::int64_t line = 0;  // from 1
};

// All lines of a file but blank ones. all_classes and length may be missing or null. Throws
// core::UserError with file and line for one that is not UTF-8, not JSON, or lacks a member.
std::vector<PredictionLine> read_prediction_lines(const std::filesystem::path& file);

// The score of every line. As in the official scorer the classes of the last line are those of all
// (they are the same in every line of a data set). Errors of the metric name file and line.
std::vector<double> score_lines(const DatasetMetric& metric,
                                const std::vector<PredictionLine>& lines,
                                const std::filesystem::path& file);

}  // namespace unfold::eval
