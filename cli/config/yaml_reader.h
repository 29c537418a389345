// Reads YAML into a Config by walking the schema. Strict: an unknown or repeated key is an error.
#pragma once

#include <string>
#include <string_view>

#include "cli/config/config.h"
#include "cli/config/origins.h"

namespace unfold::cli {

// Sets every key of the YAML text in config and notes in origins where it stood. name is told in
// errors: "[config] NAME:LINE: ...". Throws core::UserError; config may then be partly changed.
void read_yaml(std::string_view text, std::string_view name, Config& config, Origins& origins);

// Applies one "key=value" override; the value is YAML: train.steps=3, gist.chunks=[4, 4].
void apply_override(const std::string& text, Config& config, Origins& origins);

}  // namespace unfold::cli
