// Angles of the rotary position embedding, with the context-extension rules models use.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "models/decoder_config.h"

namespace unfold::models {

// Inverse frequencies of the head_width / 2 pairs for a context of `positions` tokens (which only
// RopeScaling::dynamic looks at). Sources: linear, Chen et al. 2023; dynamic NTK, as in Hugging
// Face Llama; yarn, Peng et al. 2023; llama3, the Llama 3.1 reference.
std::vector<double> rope_frequencies(const RopeConfig& config, std::int64_t head_width,
                                     std::int64_t positions);

// (positions, head_width): cosines, then sines, of position * frequency. dtype: float32 or float64.
core::Tensor rope_table(const RopeConfig& config, std::int64_t head_width, std::int64_t positions,
                        core::DType dtype, core::Device device = {});

}  // namespace unfold::models
