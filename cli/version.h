// The version of Unfold, as the build knows it.
#pragma once

#include <string_view>

namespace unfold::cli {

// "0.1.0"
std::string_view version();

}  // namespace unfold::cli
