// Limits of a setting: a range of numbers, or a set of names.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/config/value.h"

namespace unfold::cli {

// Numbers between two optional bounds. Bounds are exact for integers up to 2^53.
struct Range {
  std::optional<double> low;
  std::optional<double> high;
  bool above_low = false;   // the lower bound itself is not allowed
  bool below_high = false;  // the upper bound itself is not allowed

  // ">= 1 and <= 1024"
  std::string text() const;
  bool contains(double value) const;

  // Throws core::UserError that tells the range. A list is checked entry by entry.
  void check(double value, const Where& where) const;
  void check(std::int64_t value, const Where& where) const;
  void check(const std::vector<std::int64_t>& values, const Where& where) const;
  void check(const std::vector<double>& values, const Where& where) const;
};

inline Range at_least(double low) {
  return {.low = low, .high = {}};
}
inline Range above(double low) {
  return {.low = low, .high = {}, .above_low = true};
}
inline Range between(double low, double high) {
  return {.low = low, .high = high};
}
// [low, high)
inline Range from_below(double low, double high) {
  return {.low = low, .high = high, .above_low = false, .below_high = true};
}

// Throws core::UserError that lists the names and tells the nearest.
void check_choices(const std::string& value, std::span<const std::string> names,
                   const Where& where);
// Also refuses a name that is listed twice.
void check_choices(const std::vector<std::string>& values, std::span<const std::string> names,
                   const Where& where);
// The same where more names are known than are told.
void check_choices(const std::vector<std::string>& values, std::span<const std::string> known,
                   std::span<const std::string> told, const Where& where);

}  // namespace unfold::cli
