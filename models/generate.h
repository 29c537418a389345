// Generation with a key/value cache.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "models/decoder.h"
#include "models/sampling.h"

namespace unfold::models {

// A prompt with its gists in place: one row, one document, no padding.
struct Prompt {
  std::vector<std::int32_t> tokens;  // gist of level l: vocab_size + l
  std::vector<std::int8_t> level;    // -1 raw
};

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  std::int32_t eos = -1;  // generation stops behind this token (it is not returned); -1: never
  SamplingOptions sampling = {};
};

struct Generated {
  std::vector<std::int32_t> tokens;
  std::int64_t attended = 0;  // keys the last generated token read, a layer
};

// Continues the prompt under the given visibility. on_token, if set, sees every token as it comes.
// Gists are never generated. Throws core::InternalError for an empty prompt.
Generated generate(Decoder& decoder, const Prompt& prompt, const gsa::GistConfig& gist,
                   gsa::Visibility visibility, const GenerateOptions& options,
                   const std::function<void(std::int32_t)>& on_token = {});

}  // namespace unfold::models
