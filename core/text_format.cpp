#include "core/text_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace unfold::core {
namespace {

// Divides by `base` until the value prints in three digits, then appends the prefix reached.
template <std::size_t N>
std::string with_prefix(double value, double base,
                        const std::array<std::string_view, N>& prefixes) {
  std::size_t index = 0;
  // 999.5 prints as 1000 without decimals, so it belongs to the next prefix already.
  while (std::abs(value) >= (index == 0 ? base : std::min(base, 999.5)) && index + 1 < N) {
    value /= base;
    ++index;
  }
  if (index == 0) return fmt::format("{:.0f}{}", value, prefixes[0]);
  return fmt::format("{:.{}f}{}", value, std::abs(value) < 99.95 ? 1 : 0, prefixes[index]);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e15) return "-";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t days = whole / 86400;
  const std::int64_t hours = whole / 3600 % 24;
  const std::int64_t minutes = whole / 60 % 60;
  if (days > 0) return fmt::format("{}d {:02}:{:02}:{:02}", days, hours, minutes, whole % 60);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string format_count(double value) {
  static constexpr std::array<std::string_view, 6> kPrefixes = {"", "k", "M", "G", "T", "P"};
  if (!std::isfinite(value)) return "-";
  if (std::abs(value) < 10 && value != std::floor(value)) return fmt::format("{:.2g}", value);
  if (std::abs(value) >= 1e18) return fmt::format("{:.2g}", value);
  return with_prefix(std::abs(value) < 1000 ? std::round(value) : value, 1000.0, kPrefixes);
}

std::string format_bytes(double bytes) {
  static constexpr std::array<std::string_view, 6> kPrefixes = {" B",   " KiB", " MiB",
                                                                " GiB", " TiB", " PiB"};
  if (!std::isfinite(bytes)) return "-";
  return with_prefix(std::round(bytes), 1024.0, kPrefixes);
}

}  // namespace unfold::core
