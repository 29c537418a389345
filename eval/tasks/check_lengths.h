// Lists of lengths in a config.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace unfold::eval {

// Throws core::UserError: an empty list, a length that is listed twice.
inline void check_lengths(std::string_view key, const std::vector<std::int64_t>& lengths) {
  core::require(!lengths.empty(), "eval",
                "{} is empty: list numbers of tokens, such as [1024, 4096]", key);
  for (auto length = lengths.begin(); length != lengths.end(); ++length) {
    core::require(std::find(lengths.begin(), length, *length) == length, "eval",
                  "{} lists {} twice: name it once", key, *length);
  }
}

}  // namespace unfold::eval
