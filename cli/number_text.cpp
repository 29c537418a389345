#include "cli/number_text.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace unfold::cli {

template <typename Int>
std::string integer_error(std::string_view text) {
  Int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop == end && error == std::errc::result_out_of_range) {
    return fmt::format("{} is too large: at most {}", text, std::numeric_limits<Int>::max());
  }
  if (stop == end && error == std::errc()) return "";
  const bool negative = std::is_unsigned_v<Int> && text.starts_with('-');
  return fmt::format("expected {}, found '{}'", negative ? "an integer of 0 or more" : "an integer",
                     text);
}

template std::string integer_error<int>(std::string_view);
template std::string integer_error<std::int64_t>(std::string_view);
template std::string integer_error<std::uint64_t>(std::string_view);

std::string number_error(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop == end && error == std::errc() && std::isfinite(value)) return "";
  return fmt::format("expected a number, found '{}'", text);
}

}  // namespace unfold::cli
