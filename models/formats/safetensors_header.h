// The JSON header of a safetensors file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/formats/safetensors.h"

namespace unfold::models {

// Entries in file order. text: the header; data_bytes: what follows it in the file. Throws
// core::UserError (models/formats/safetensors.h), naming `file`.
std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view text,
                                                       std::size_t data_bytes,
                                                       const std::string& file);

}  // namespace unfold::models
