// Attention of suffix queries over their own key lists.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// Key positions of every (suffix query, key/value head): keys[offsets[i] .. offsets[i + 1]) with
// i = query * kv_heads + kv_head.
struct KeyLists {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> keys;
};

// Overwrites out and lse (gsa/kernels/attention.h) in the rows of the suffix queries.
UNFOLD_KERNEL(unfolding, const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
              std::int64_t length, const KeyLists& lists, const Tensor& out, const Tensor& lse);

// Adds the gradients of the suffix queries to dqkv. dqkv: accumulator dtype.
UNFOLD_KERNEL(unfolding_backward, const Tensor& dout, const Tensor& qkv, const Tensor& out,
              const Tensor& lse, const AttentionShape& shape, const ChunkTable& table,
              std::int64_t length, const KeyLists& lists, const Tensor& dqkv);

}  // namespace unfold::gsa::kernels
