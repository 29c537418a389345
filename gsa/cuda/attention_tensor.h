// Attention over a block map on tensor cores: bfloat16, head widths 64 and 128. One head width and
// way to multiply is one file, attention_tensor_WIDTH[_warpgroup].cu.
#pragma once

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cuda {

// The ways to multiply (gsa/cuda/products.cuh).
struct SyncProducts;
struct WarpgroupProducts;

// As kernels::attention and kernels::attention_backward (gsa/kernels/attention.h).
template <int kWidth, typename Products>
void tensor_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                      const core::Tensor& out, const core::Tensor& lse);
template <int kWidth, typename Products>
void tensor_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                               const core::Tensor& out, const core::Tensor& lse,
                               const AttentionShape& shape, const BlockMap& map,
                               const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
