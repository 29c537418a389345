// Unfolding by the general kernels. One dtype is one file, unfolding_DTYPE.cu.
#pragma once

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"
#include "gsa/key_spans.h"

namespace unfold::gsa::kernels::cuda {

// As kernels::unfolding and kernels::unfolding_backward (gsa/kernels/unfolding.h), for tensors of
// dtype T.
template <typename T>
void general_unfolding(const core::Tensor& qkv, const AttentionShape& shape,
                       const ChunkTable& table, std::int64_t length, const KeySpans& spans,
                       const core::Tensor& out, const core::Tensor& lse);
template <typename T>
void general_unfolding_backward(const core::Tensor& dout, const core::Tensor& qkv,
                                const core::Tensor& out, const core::Tensor& lse,
                                const AttentionShape& shape, const ChunkTable& table,
                                std::int64_t length, const KeySpans& spans,
                                const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
