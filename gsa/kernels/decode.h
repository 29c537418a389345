// Attention of single queries over gathered keys: the decode step.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// out = softmax(q k^T / sqrt(width)) v over the first `count` cached keys.
// qkv (1, shape.qkv_width()), of which the query section is read; keys, values
// (capacity, kv_heads * width); out (1, shape.out_width()).
UNFOLD_KERNEL(decode_attention, const Tensor& qkv, const Tensor& keys, const Tensor& values,
              std::int64_t count, const AttentionShape& shape, const Tensor& out);

}  // namespace unfold::gsa::kernels
