// Attention under the gist mask: keys visited against keys needed, and time against full causal
// attention.
#pragma once

#include "cli/bench/section.h"

namespace unfold::cli::bench {

// seconds: time to measure each case for.
Section attention_section(double seconds);

}  // namespace unfold::cli::bench
