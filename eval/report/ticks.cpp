#include "eval/report/ticks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

namespace unfold::eval {
namespace {

// Beyond this a range has no finite length, and a picture no meaning.
constexpr double kLargest = 1e300;
constexpr double kSmallestPositive = 1e-300;

bool drawable(double value, Scale scale) {
  if (!(std::abs(value) <= kLargest)) return false;
  return scale == Scale::linear || value >= kSmallestPositive;
}

std::vector<double> linear_ticks(const Range& range, int wanted) {
  const double rough = (range.high - range.low) / std::max(wanted, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double ratio = rough / power;
  const double step = power * (ratio < 1.414 ? 1 : ratio < 3.162 ? 2 : ratio < 7.071 ? 5 : 10);
  std::vector<double> ticks;
  // Counted in whole steps, so that rounding does not pile up; 0 comes out as 0.
  const double first = std::ceil(range.low / step - 1e-9);
  for (int i = 0; i < 100; ++i) {
    const double tick = (first + i) * step;
    if (tick > range.high + step * 1e-9) break;
    ticks.push_back(tick == 0 ? 0.0 : tick);
  }
  return ticks;
}

std::vector<double> log_ticks(const Range& range, int wanted) {
  const int low = static_cast<int>(std::floor(std::log10(range.low)));
  const int high = static_cast<int>(std::ceil(std::log10(range.high)));
  const int decades = high - low;
  const int stride = std::max(1, decades / std::max(wanted, 1));
  const bool between = decades <= 3;
  std::vector<double> ticks;
  for (int exponent = low; exponent <= high; exponent += stride) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !between) break;
      const double tick = factor * std::pow(10.0, exponent);
      if (tick >= range.low * (1 - 1e-9) && tick <= range.high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

// "2e-4", "1.5e7": the shortest mantissa that keeps three digits.
std::string scientific(double value) {
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
  return fmt::format("{:.3g}e{}", value / std::pow(10.0, exponent), exponent);
}

int decimals_for(double step) {
  return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 12);
}

// How often 1000 goes into a value that needs a prefix; 0 below 10,000.
int prefix_group(double value) {
  return value < 10'000 ? 0 : std::min(static_cast<int>(std::log10(value) / 3 + 1e-9), 4);
}

// "12k": the value over 1000^group, with the decimals that `step` needs (negative: those it has).
std::string with_prefix(double value, int group, double step) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"", "k", "M", "G", "T"};
  const double unit = std::pow(1000.0, group);
  const std::string_view prefix = kPrefixes[static_cast<std::size_t>(group)];
  return step < 0 ? fmt::format("{:g}{}", value / unit, prefix)
                  : fmt::format("{:.{}f}{}", value / unit, decimals_for(step / unit), prefix);
}

}  // namespace

Range range_of(const std::vector<double>& values, Scale scale, double margin) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (!drawable(value, scale)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return scale == Scale::log ? Range{0.1, 10} : Range{0, 1};
  if (scale == Scale::log) {
    const double factor = std::pow(high / low, margin);
    low = std::max(low / factor, kSmallestPositive);
    high = std::min(high * factor, kLargest);
    return high / low < 1.01 ? Range{low / 2, high * 2} : Range{low, high};
  }
  const double pad = (high - low) * margin;
  const double scale_of_values = std::max(std::abs(low), std::abs(high));
  if (high - low <= scale_of_values * 1e-9) {
    const double around = scale_of_values > 0 ? scale_of_values * 0.1 : 1;
    return {low - around, high + around};
  }
  return {low - pad, high + pad};
}

std::vector<double> make_ticks(const Range& range, Scale scale, int wanted) {
  if (scale == Scale::linear) return linear_ticks(range, wanted);
  std::vector<double> ticks = log_ticks(range, wanted);
  return ticks.size() >= 2 ? ticks : linear_ticks(range, wanted);
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks, Scale scale) {
  std::vector<std::string> labels;
  if (ticks.empty()) return labels;
  double largest = 0;
  double step = std::abs(ticks[0]) > 0 ? std::abs(ticks[0]) : 1;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    largest = std::max(largest, std::abs(ticks[i]));
    if (i > 0) step = i == 1 ? ticks[1] - ticks[0] : std::min(step, ticks[i] - ticks[i - 1]);
  }
  for (const double tick : ticks) {
    if (tick == 0) {
      labels.emplace_back("0");
    } else if (largest >= 1e15 || largest < 1e-2) {
      labels.push_back(scientific(tick));
    } else if (scale == Scale::log) {
      labels.push_back(tick < 1e-2 ? scientific(tick) : with_prefix(tick, prefix_group(tick), -1));
    } else if (largest >= 10'000) {
      labels.push_back(with_prefix(tick, prefix_group(largest), step));
    } else {
      labels.push_back(fmt::format("{:.{}f}", tick, decimals_for(step)));
    }
  }
  return labels;
}

}  // namespace unfold::eval
