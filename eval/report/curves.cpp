#include "eval/report/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unfold::eval {
namespace {

void append(Curve& curve, double x, double y) {
  curve.x.push_back(x);
  curve.y.push_back(y);
}

// The points of [begin, end) worth keeping: lowest and highest in their order, and one gap if any.
void append_extremes(const Curve& from, std::size_t begin, std::size_t end, Curve& to) {
  std::size_t low = end;
  std::size_t high = end;
  std::size_t gap = end;
  for (std::size_t i = begin; i < end; ++i) {
    if (!std::isfinite(from.y[i])) {
      if (gap == end) gap = i;
      continue;
    }
    if (low == end || from.y[i] < from.y[low]) low = i;
    if (high == end || from.y[i] > from.y[high]) high = i;
  }
  std::size_t kept[3] = {low, high, gap};
  std::sort(std::begin(kept), std::end(kept));
  for (std::size_t k = 0; k < 3; ++k) {
    if (kept[k] < end && (k == 0 || kept[k] != kept[k - 1])) {
      append(to, from.x[kept[k]], from.y[kept[k]]);
    }
  }
}

}  // namespace

Curve downsample(const Curve& curve, std::size_t limit) {
  const std::size_t n = curve.size();
  if (n <= std::max<std::size_t>(limit, 4)) return curve;
  const std::size_t buckets = std::max<std::size_t>(limit, 4) / 2 - 1;
  Curve result;
  append(result, curve.x.front(), curve.y.front());
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    const std::size_t begin = 1 + bucket * (n - 2) / buckets;
    const std::size_t end = 1 + (bucket + 1) * (n - 2) / buckets;
    append_extremes(curve, begin, end, result);
  }
  append(result, curve.x.back(), curve.y.back());
  return result;
}

std::size_t trend_half_window(std::size_t n) {
  return n < 40 ? 0 : std::min<std::size_t>(n / 50, 100);
}

Curve smooth(const Curve& curve, std::size_t half) {
  Curve result;
  result.x = curve.x;
  result.y.reserve(curve.size());
  // Every window is summed anew: with a running sum, one huge value would wipe out the digits of
  // all that follow.
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const std::size_t begin = i < half ? 0 : i - half;
    const std::size_t end = std::min(curve.size(), i + std::min(half, i) + 1);
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t j = begin; j < end; ++j) {
      if (!std::isfinite(curve.y[j])) continue;
      sum += curve.y[j];
      ++count;
    }
    result.y.push_back(count > 0 ? sum / static_cast<double>(count)
                                 : std::numeric_limits<double>::quiet_NaN());
  }
  return result;
}

}  // namespace unfold::eval
