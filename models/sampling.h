// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>

#include "core/random.h"

namespace unfold::models {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy
  std::int64_t top_k = 0;  // keep the k likeliest; 0: all
  double top_p = 1.0;      // keep the smallest set of tokens with at least this probability
  std::uint64_t seed = 0;
};

// Index of the chosen logit. Greedy ties go to the lower index. One random number is drawn a call
// unless greedy.
std::int32_t sample(std::span<const float> logits, const SamplingOptions& options,
                    core::Random& random);

}  // namespace unfold::models
