// Attention of suffix queries over their own key spans.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"
#include "gsa/key_spans.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// Writes out and lse (gsa/kernels/attention.h) in the rows of the suffix queries.
UNFOLD_KERNEL(unfolding, const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
              std::int64_t length, const KeySpans& spans, const Tensor& out, const Tensor& lse);

// dqkv (accumulator dtype): the query sections of the suffix queries are written, the gradients of
// the keys and values they see are added.
UNFOLD_KERNEL(unfolding_backward, const Tensor& dout, const Tensor& qkv, const Tensor& out,
              const Tensor& lse, const AttentionShape& shape, const ChunkTable& table,
              std::int64_t length, const KeySpans& spans, const Tensor& dqkv);

}  // namespace unfold::gsa::kernels
