// Keys and values of a document, computed once and reused at any place of any sequence.
//
// A document that sees nothing but itself (METHOD.md section 8) has hidden states that depend on
// where it stands through nothing but the rotation of its queries and keys, and that on differences
// alone. So its keys are stored un-rotated and rotated when they are loaded
// (Engine::append_document).
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "gsa/gist_config.h"
#include "models/decoder.h"
#include "models/prompt.h"

namespace unfold::models {

struct CachedDocument {
  std::vector<std::int8_t> level;    // (tokens) gists in place
  std::vector<core::Tensor> keys;    // a layer: (tokens, kv_heads * width), un-rotated
  std::vector<core::Tensor> values;  // a layer: (tokens, kv_heads * width)
};

// Runs a document, gists in place, through the decoder by itself, under section 5. Throws as
// Engine::prefill; core::UserError for a decoder whose rotation depends on the length of the
// sequence (dynamic scaling): then a document computed alone is another one.
CachedDocument encode_document(Decoder& decoder, const gsa::GistConfig& gist,
                               const Prompt& document);

}  // namespace unfold::models
