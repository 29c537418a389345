// The routing loss by the general kernels. One dtype is one file, routing_loss_DTYPE.cu.
#pragma once

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"

namespace unfold::gsa::kernels::cuda {

// As kernels::routing_loss (gsa/kernels/routing_loss.h), for qkv of dtype T and some queries.
template <typename T>
void general_routing_loss(const core::Tensor& qkv, const AttentionShape& shape,
                          const ChunkTable& table, std::int64_t length, const core::Tensor& loss,
                          const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
