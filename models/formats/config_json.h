// Decoder and gist settings as JSON, for files that carry them.
#pragma once

#include <string>
#include <string_view>

#include "gsa/gist_config.h"
#include "models/decoder_config.h"

namespace unfold::models {

std::string to_json(const DecoderConfig& config);
std::string to_json(const gsa::GistConfig& config);
// Throw core::UserError with `where` for malformed text, missing fields or values out of range.
DecoderConfig decoder_from_json(std::string_view text, const std::string& where);
gsa::GistConfig gist_from_json(std::string_view text, const std::string& where);

}  // namespace unfold::models
