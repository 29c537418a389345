// What policies that judge keys by the attention they got are told of a prompt.
#pragma once

#include <span>

#include "core/tensor.h"
#include "gsa/cached_attention.h"

namespace unfold::gsa::kernels::cpu {

// Shows HeadPolicy::observe the attention that raw keys get from the new queries below a sequence's
// prefix, from CachedTokens::observe_from on. Their keys are stored; the sequences have no gists.
// Scores and sums are double.
void observe_prompts(const core::Tensor& qkv, const AttentionShape& shape,
                     std::span<const CachedTokens> sequences);

}  // namespace unfold::gsa::kernels::cpu
