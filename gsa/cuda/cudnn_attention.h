// Attention by cuDNN where it computes what a block map says: plain causal attention of whole rows
// or of packed documents (BlockMap::causal_documents), in bfloat16.
#pragma once

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cuda {

// As kernels::attention and kernels::attention_backward (gsa/kernels/attention.h), on the device
// that is current. False, with nothing done, for other maps, dtypes, widths and GPUs, where
// UNFOLD_CUDNN=0 is set, and in a build without cuDNN. Either may follow our own counterpart of
// the other. Throws core::InternalError when cuDNN fails.
bool cudnn_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                     const core::Tensor& out, const core::Tensor& lse);
bool cudnn_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                              const core::Tensor& out, const core::Tensor& lse,
                              const AttentionShape& shape, const BlockMap& map,
                              const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
