#include "eval/report/predicted_rows.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "eval/metrics/interval.h"
#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

using Key = std::tuple<std::string, std::string, double>;  // task, method, ratio

constexpr std::uint64_t kSeed = 0;  // one for all, so that methods are compared on equal resamples

std::vector<double> finite_scores(const PredictionFile& file) {
  std::vector<double> scores;
  scores.reserve(file.samples.size());
  for (const PredictedSample& sample : file.samples) {
    if (std::isfinite(sample.score)) scores.push_back(sample.score);
  }
  return scores;
}

Interval mean_interval(const std::vector<double>& scores) {
  return bootstrap_ratio_interval(scores, std::vector<double>(scores.size(), 1.0), kSeed);
}

ResultRow row_of(const PredictionFile& file, const std::vector<double>& scores) {
  ResultRow row;
  row.task = file.task;
  row.method = file.method;
  row.ratio = file.ratio;
  row.metric = file.metric.empty() ? "score" : file.metric;
  row.n = static_cast<std::int64_t>(scores.size());
  for (const double score : scores) row.value += score / static_cast<double>(scores.size());
  const Interval interval = mean_interval(scores);
  row.low = interval.low;
  row.high = interval.high;
  double known = 0;
  for (const PredictedSample& sample : file.samples) {
    if (!(sample.attended > 0) || !std::isfinite(sample.attended)) continue;
    row.attended += sample.attended;
    ++known;
  }
  if (known > 0) row.attended /= known;
  return row;
}

}  // namespace

std::size_t complete_rows(const Predictions& predictions, std::vector<ResultRow>& rows) {
  std::multimap<Key, std::size_t> places;
  std::set<Key> in_parts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    places.emplace(Key(rows[i].task, rows[i].method, rows[i].ratio), i);
    const std::string whole(group_of(rows[i].task));
    if (!whole.empty()) in_parts.emplace(whole, rows[i].method, rows[i].ratio);
  }
  std::size_t added = 0;
  for (const PredictionFile& file : predictions.files) {
    const auto [first, last] = places.equal_range(Key(file.task, file.method, file.ratio));
    if (first == last) {
      const std::vector<double> scores = finite_scores(file);
      if (scores.empty() || in_parts.contains(Key(file.task, file.method, file.ratio))) continue;
      rows.push_back(row_of(file, scores));
      ++added;
      continue;
    }
    for (auto at = first; at != last; ++at) {
      ResultRow& row = rows[at->second];
      if (row.metric != file.metric || (std::isfinite(row.low) && std::isfinite(row.high)))
        continue;
      const Interval interval = mean_interval(finite_scores(file));
      row.low = interval.low;
      row.high = interval.high;
    }
  }
  return added;
}

}  // namespace unfold::eval
