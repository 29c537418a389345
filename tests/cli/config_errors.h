// Helpers of the config tests: the one-line error that a config text causes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"
#include "core/error.h"

namespace unfold::cli {

// what() of the UserError thrown for the text, or "no error".
inline std::string error_of(std::string_view yaml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(yaml, "demo.yaml", overrides);
  } catch (const core::UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace unfold::cli
