// Quantities and lists as people read them: durations, counts, bytes. Values that are not finite
// give "-".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace unfold::core {

// Seconds as "0:07", "1:23", "1:02:03" or "2d 03:04:05"; negative gives "-".
std::string format_duration(double seconds);

// Decimal prefixes, three digits at most: 7 "7", 999 "999", 1234 "1.2k", 123456 "123k", 1.2e6
// "1.2M". Values below 10 that are not whole keep two digits: 0.53 "0.53", 5.31 "5.3".
std::string format_count(double value);

// Binary prefixes: 512 "512 B", 1536 "1.5 KiB", 3 * 2^30 "3.0 GiB".
std::string format_bytes(double bytes);

// Items, texts or whole numbers, with a separator between them: "a, b, c". In place of fmt::join,
// whose header takes half a second to compile.
template <class Items>
std::string join(const Items& items, std::string_view separator) {
  std::string text;
  bool first = true;
  for (const auto& item : items) {
    if (!first) text += separator;
    first = false;
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(item)>>) {
      text += std::to_string(item);
    } else {
      text += item;
    }
  }
  return text;
}

}  // namespace unfold::core
