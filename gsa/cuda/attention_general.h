// Attention over a block map by the general kernels. One dtype is one file, attention_DTYPE.cu.
#pragma once

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cuda {

// As kernels::attention and kernels::attention_backward (gsa/kernels/attention.h), for tensors of
// dtype T.
template <typename T>
void general_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                       const core::Tensor& out, const core::Tensor& lse);
template <typename T>
void general_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                                const core::Tensor& out, const core::Tensor& lse,
                                const AttentionShape& shape, const BlockMap& map,
                                const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
