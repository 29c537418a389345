#include "models/formats/rope_factors.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "models/rope_table.h"

namespace unfold::models {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kMostContext = 1e12;

bool gives(const RopeConfig& config, const std::vector<double>& plain,
           std::span<const float> factors) {
  const auto width = static_cast<std::int64_t>(factors.size()) * 2;
  const std::vector<double> scaled = rope_frequencies(config, width, 1);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double wanted = plain[i] / static_cast<double>(factors[i]);
    if (!(std::abs(scaled[i] - wanted) <= kTolerance * wanted)) return false;
  }
  return true;
}

// The part of a frequency that is kept grows linearly with it between the two bounds of the rule.
// Two pairs between them give the line, and the line gives bounds and context.
std::optional<RopeConfig> fit_llama3(RopeConfig config, const std::vector<double>& plain,
                                     std::span<const float> factors) {
  struct Point {
    double frequency;
    double keep;
  };
  std::vector<Point> points;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const auto factor = static_cast<double>(factors[i]);
    if (factor < 1.0001 || factor > config.factor * 0.9999) continue;
    points.push_back({plain[i], (1 / factor - 1 / config.factor) / (1 - 1 / config.factor)});
  }
  if (points.size() < 2) return std::nullopt;
  const Point& first = points.front();
  const Point& last = points.back();
  const double slope = (first.keep - last.keep) / (first.frequency - last.frequency);
  const double level = last.keep - slope * last.frequency;
  double width = -1 / level;  // high - low, with low = 1
  if (std::abs(width - std::round(width)) < 1e-3) width = std::round(width);
  const double context = std::round(slope * width * 2 * std::numbers::pi);
  if (!(width > 0) || !(context >= 1) || context > kMostContext) return std::nullopt;
  config.low_frequency_factor = 1;
  config.high_frequency_factor = 1 + width;
  config.original_context = static_cast<std::int64_t>(context);
  return config;
}

}  // namespace

std::optional<RopeConfig> rope_from_factors(const RopeConfig& plain,
                                            std::span<const float> factors) {
  const bool good = std::all_of(factors.begin(), factors.end(),
                                [](float f) { return std::isfinite(f) && f > 0; });
  if (factors.empty() || !good) return std::nullopt;
  const auto [least, most] = std::minmax_element(factors.begin(), factors.end());
  RopeConfig config = plain;
  config.factor = static_cast<double>(*most);
  if (*least == *most) {
    config.scaling = *most == 1.0F ? RopeScaling::none : RopeScaling::linear;
    return config;
  }
  const std::vector<double> frequencies =
      rope_frequencies(plain, static_cast<std::int64_t>(factors.size()) * 2, 1);
  config.scaling = RopeScaling::llama3;
  // The values of Llama 3.1 to 3.3, then what the factors themselves say.
  config.low_frequency_factor = 1;
  config.high_frequency_factor = 4;
  config.original_context = 8192;
  if (gives(config, frequencies, factors)) return config;
  const std::optional<RopeConfig> fitted = fit_llama3(config, frequencies, factors);
  if (fitted && gives(*fitted, frequencies, factors)) return fitted;
  return std::nullopt;
}

}  // namespace unfold::models
