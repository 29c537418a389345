// Rules between keys: what the range of one key cannot say.
#pragma once

#include "cli/config/config.h"
#include "cli/config/origins.h"

namespace unfold::cli {

// Throws core::UserError for the first contradiction, naming where the key at fault was set, the
// keys and their values, and what to change.
void validate(const Config& config, const Origins& origins);

}  // namespace unfold::cli
