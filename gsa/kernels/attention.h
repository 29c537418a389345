// Attention over the key ranges of a block map.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// out = softmax(q k^T / sqrt(width)) v over the keys each query sees.
// qkv (rows * length, shape.qkv_width()), rotated; out (rows * length, shape.out_width());
// lse (rows * length, heads) accumulator dtype: log-sum-exp of the scaled scores, for the backward.
// Rows of tokens that are no queries of the map are not touched.
// Nothing of size length x length is made: a tile of queries visits its ranges and keeps running
// sums (online softmax, Milakov & Gimelshein 2018; tiling as in FlashAttention, Dao 2023).
UNFOLD_KERNEL(attention, const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
              const Tensor& out, const Tensor& lse);

// dqkv is written: gradients of the query, key and value sections. The query sections of tokens
// that are no queries of the map are not touched.
UNFOLD_KERNEL(attention_backward, const Tensor& dout, const Tensor& qkv, const Tensor& out,
              const Tensor& lse, const AttentionShape& shape, const BlockMap& map,
              const Tensor& dqkv);

namespace cuda {
// Makes the device's copy of a map now (gsa/cuda/device_map.cuh).
void upload_map(const BlockMap& map, core::Device device);
}  // namespace cuda

}  // namespace unfold::gsa::kernels
