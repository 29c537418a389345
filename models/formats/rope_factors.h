// RoPE scaling given as factors: GGUF files of Llama 3.1 and later carry, instead of the rule, what
// it divides the frequency of every pair by (tensor rope_freqs.weight).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "models/decoder_config.h"

namespace unfold::models {

// The rule of models/rope_table.h that gives these factors (one a pair, head_width / 2 of them) on
// top of `plain`, a config without scaling: none when all are 1, linear when all are equal, else
// llama3. The llama3 rule is the same for (low, high, context) in any common multiple, so low is
// taken to be 1, as in all released models. Nothing when no rule gives them within 1e-5.
std::optional<RopeConfig> rope_from_factors(const RopeConfig& plain,
                                            std::span<const float> factors);

}  // namespace unfold::models
