#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>

namespace unfold::core::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "unfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^%H:%M:%S %l%$ %v");
    const char* wanted = std::getenv("UNFOLD_LOG");
    const std::string name = wanted ? wanted : "info";
    made->set_level(name == "debug"     ? spdlog::level::debug
                    : name == "warning" ? spdlog::level::warn
                    : name == "error"   ? spdlog::level::err
                    : name == "off"     ? spdlog::level::off
                                        : spdlog::level::info);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_level(Level level) {
  logger().set_level(to_spdlog(level));
}

void write(Level level, std::string_view line) {
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace unfold::core::log
