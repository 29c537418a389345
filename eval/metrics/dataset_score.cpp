#include "eval/metrics/dataset_score.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"

namespace unfold::eval {
namespace {

// numpy's sum: eight sums side by side in blocks of at most 128 values, blocks in pairs. The order
// decides the last bits, and so now and then the second place.
double pairwise_sum(std::span<const double> values) {
  const std::size_t n = values.size();
  if (n < 8) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum;
  }
  if (n > 128) {
    const std::size_t half = n / 2 - n / 2 % 8;
    return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
  }
  std::array<double, 8> sums;
  for (std::size_t i = 0; i < 8; ++i) sums[i] = values[i];
  std::size_t at = 8;
  for (; at + 8 <= n; at += 8) {
    for (std::size_t i = 0; i < 8; ++i) sums[i] += values[at + i];
  }
  double sum =
      ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; at < n; ++at) sum += values[at];
  return sum;
}

}  // namespace

double dataset_score(std::span<const double> scores) {
  core::require(!scores.empty(), "metrics", "no predictions: nothing to score");
  double total = 0;
  for (const double score : scores) total += score;
  // Python rounds the exact value of the double, as printing does.
  const std::string text = fmt::format("{:.2f}", 100 * total / static_cast<double>(scores.size()));
  return std::strtod(text.c_str(), nullptr);
}

std::size_t length_bucket(std::int64_t length) {
  return length < 4000 ? 0 : length < 8000 ? 1 : 2;
}

std::array<double, 3> bucket_scores(std::span<const double> scores,
                                    std::span<const std::int64_t> lengths) {
  core::check(scores.size() == lengths.size(), "metrics", "{} scores, {} lengths", scores.size(),
              lengths.size());
  std::array<std::vector<double>, 3> buckets;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    buckets[length_bucket(lengths[i])].push_back(scores[i]);
  }
  std::array<double, 3> result;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const std::vector<double>& bucket = buckets[i];
    if (bucket.empty()) {
      result[i] = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    const double percent = 100 * (pairwise_sum(bucket) / static_cast<double>(bucket.size()));
    result[i] = std::nearbyint(percent * 100) / 100;  // numpy's way, which is not Python's
  }
  return result;
}

}  // namespace unfold::eval
