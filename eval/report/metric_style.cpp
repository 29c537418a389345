#include "eval/report/metric_style.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/text_format.h"

namespace unfold::eval {
namespace {

constexpr std::array<std::string_view, 6> kLowerIsBetter = {"loss", "bits_per_byte", "perplexity",
                                                            "nll",  "latency",       "error_rate"};
// Numbers with a scale of their own. Metrics that are not listed are fractions of 1.
constexpr std::array<std::string_view, 7> kPlainNumbers = {
    "loss", "bits_per_byte", "perplexity", "nll", "latency", "tokens_per_second", "speedup"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Metrics that people do not write as their names with spaces.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kLabels = {{
    {"count", "count accuracy"},
    {"retrieval", "retrieval accuracy"},
    {"f1", "F1"},
    {"em", "EM"},
    {"f1_zh", "F1"},
    {"rouge_l", "Rouge-L"},
    {"rouge_l_zh", "Rouge-L"},
    {"subspan_em", "best-subspan EM"},
    {"nll", "nats per token"},
    {"edit_similarity", "edit similarity"},
}};

}  // namespace

// A value outside [0, 1] cannot be a fraction, whatever its metric is called.
bool shown_as_percent(std::string_view metric, double value) {
  return !contains(kPlainNumbers, metric) && value >= 0 && value <= 1;
}

bool lower_is_better(std::string_view metric) {
  return contains(kLowerIsBetter, metric);
}

std::string metric_label(std::string_view metric) {
  for (const auto& [name, written] : kLabels) {
    if (name == metric) return std::string(written);
  }
  std::string label(metric);
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

std::string format_metric(std::string_view metric, double value) {
  if (!std::isfinite(value)) return "-";
  return shown_as_percent(metric, value) ? fmt::format("{:.1f}%", value * 100)
                                         : format_number(value);
}

std::string format_score(std::string_view metric, double value) {
  if (!std::isfinite(value)) return "-";
  return shown_as_percent(metric, value) ? fmt::format("{:.1f}", value * 100)
                                         : format_number(value);
}

std::string format_interval(std::string_view metric, double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return "";
  return fmt::format("[{}, {}]", format_metric(metric, low), format_metric(metric, high));
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (value == 0) return "0";
  if (size >= 1e4) return core::format_count(value);
  if (size < 1e-3) {
    const int exponent = static_cast<int>(std::floor(std::log10(size)));
    return fmt::format("{:.1f}e{}", value / std::pow(10.0, exponent), exponent);
  }
  // Four significant digits, never fewer than the whole part.
  const int whole = std::max(1, static_cast<int>(std::floor(std::log10(size))) + 1);
  return fmt::format("{:.{}f}", value, std::max(0, 4 - whole));
}

std::string format_keys(double keys) {
  if (!std::isfinite(keys) || keys <= 0) return "-";
  if (keys >= 1e4) return core::format_count(keys);
  return fmt::format("{:.{}f}", keys, keys < 1000 ? 1 : 0);
}

std::string format_ratio(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.3g}x", ratio) : "-";
}

}  // namespace unfold::eval
