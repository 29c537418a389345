// The routing loss of a layer (gsa/routing_loss.h), value and gradient.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// loss: a scalar in the accumulator dtype, written. dqkv: undefined, or (rows * length,
// shape.qkv_width()) in the accumulator dtype, to which the gradient of the loss is added.
// Scores are made for one block of queries at a time, against the raw tokens of their document.
UNFOLD_KERNEL(routing_loss, const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
              std::int64_t length, const Tensor& loss, const Tensor& dqkv);

}  // namespace unfold::gsa::kernels
