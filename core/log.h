// Logging: lines for people, on standard error, so that standard output stays for results.
// spdlog does the work; it is included by log.cpp alone.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace unfold::core::log {

enum class Level { debug, info, warning, error, off };

// Sets the least severe level shown (default: info; UNFOLD_LOG=debug|info|warning|error|off).
void set_level(Level level);

// Writes one finished line.
void write(Level level, std::string_view line);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace unfold::core::log
