// Attention of new tokens over cached keys: decoding, and the part of a prefill that selects.
#pragma once

#include <span>

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/cached_attention.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// gsa::cached_attention without the prefix: stores the new keys and values of every sequence, and
// writes the rows of out that are not below their sequence's prefix. On a GPU the stores go to the
// host, where policies decide.
UNFOLD_KERNEL(cached_attention, const Tensor& qkv, const AttentionShape& shape,
              std::span<CachedTokens> sequences, const Tensor& out);

}  // namespace unfold::gsa::kernels
