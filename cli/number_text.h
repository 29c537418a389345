// Numbers as people type them on a command line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace unfold::cli {

// "" where the text is a whole number of Int, else what is wrong with it: "expected an integer,
// found '8x'". Nothing saturates or wraps.
template <typename Int>
std::string integer_error(std::string_view text);

// The same for a finite number.
std::string number_error(std::string_view text);

// The same for what a variable of type T, an optional T or a list of T takes.
template <typename T>
std::string value_error(std::string_view text, const T* /*variable*/) {
  if constexpr (std::is_integral_v<T>) return integer_error<T>(text);
  if constexpr (std::is_floating_point_v<T>) return number_error(text);
  return "";
}
template <typename T>
std::string value_error(std::string_view text, const std::optional<T>* /*variable*/) {
  return value_error(text, static_cast<const T*>(nullptr));
}
template <typename T>
std::string value_error(std::string_view text, const std::vector<T>* /*variable*/) {
  return value_error(text, static_cast<const T*>(nullptr));
}

}  // namespace unfold::cli
