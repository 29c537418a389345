#include "cli/config/range.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/config/nearest.h"
#include "core/text_format.h"

namespace unfold::cli {
namespace {

[[noreturn]] void fail_range(const std::string& value, const Range& range, const Where& where) {
  fail_at(where, fmt::format("{} is out of range: must be {}", value, range.text()));
}

}  // namespace

std::string Range::text() const {
  std::string out;
  if (low) out = fmt::format("{} {}", above_low ? ">" : ">=", *low);
  if (low && high) out += " and ";
  if (high) out += fmt::format("{} {}", below_high ? "<" : "<=", *high);
  return out;
}

bool Range::contains(double value) const {
  if (low && (above_low ? value <= *low : value < *low)) return false;
  if (high && (below_high ? value >= *high : value > *high)) return false;
  return true;
}

void Range::check(double value, const Where& where) const {
  if (!contains(value)) fail_range(fmt::format("{}", value), *this, where);
}

void Range::check(std::int64_t value, const Where& where) const {
  if (!contains(static_cast<double>(value))) fail_range(fmt::format("{}", value), *this, where);
}

void Range::check(const std::vector<std::int64_t>& values, const Where& where) const {
  for (const std::int64_t value : values) check(value, where);
}

void Range::check(const std::vector<double>& values, const Where& where) const {
  for (const double value : values) check(value, where);
}

void check_choices(const std::string& value, std::span<const std::string> names,
                   const Where& where) {
  if (std::find(names.begin(), names.end(), value) != names.end()) return;
  const std::string nearest = nearest_name(value, names);
  const std::string hint = nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest);
  fail_at(where, fmt::format("unknown choice {}: {}choices: {}", in_quotes(value), hint,
                             core::join(names, ", ")));
}

void check_choices(const std::vector<std::string>& values, std::span<const std::string> names,
                   const Where& where) {
  check_choices(values, names, names, where);
}

void check_choices(const std::vector<std::string>& values, std::span<const std::string> known,
                   std::span<const std::string> told, const Where& where) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::find(known.begin(), known.end(), values[i]) == known.end()) {
      check_choices(values[i], told, where);
    }
    const auto before = values.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(values.begin(), before, values[i]) != before) {
      fail_at(where, fmt::format("{} is listed twice: name it once", in_quotes(values[i])));
    }
  }
}

}  // namespace unfold::cli
