// The decoder written down as formulas, token by token and pair by pair in float64, for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "models/decoder.h"

namespace unfold::models {

// Logits (rows * length, vocab_size) of a model's parameters on a layout. RoPE without scaling.
std::vector<double> naive_logits(const Decoder& decoder, const gsa::Layout& layout,
                                 const std::vector<std::int32_t>& tokens,
                                 const gsa::GistConfig& gist, gsa::Visibility visibility);

// -log softmax(logits of the token)[target].
double naive_loss(const std::vector<double>& logits, std::int64_t classes, std::int64_t token,
                  std::int32_t target);

}  // namespace unfold::models
