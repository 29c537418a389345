// Routing loss: teaches the scores of the gists where full attention would have looked (METHOD.md
// section 13). Without it a gist learns from selection only when it was picked.
//
// For a query t of ChunkTable::suffix and a key/value head, with h its query heads:
//   p[t, j]   = mean over h of the sum over raw tokens i of chunk j of
//               softmax_i(q_h . k_i / sqrt(width)), over all raw tokens i <= t: a constant
//   mass[t]   = sum_j p[t, j];  target[t, j] = p[t, j] / mass[t]
//   r_h[t, j] = softmax over the chunks' gists j of q_h . k_j / sqrt(width)
//   term      = mass[t] * -(sum_j target[t, j] log r_h[t, j])
// j runs over what the query selects from: the chunks closed by a top-level gist before it. Every
// level has such a term, with the p of all chunks that a gist covers.
#pragma once

#include <memory>

#include "autograd/variable.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"

namespace unfold::gsa {

// Sum of the terms of all queries, query heads and levels: a scalar of shape () in the accumulator
// dtype. Its gradient reaches queries and gist keys alone. qkv (rows * length, shape.qkv_width()),
// rotated; length: positions a row.
autograd::Variable routing_loss(const autograd::Variable& qkv, const AttentionShape& shape,
                                const ChunkTable& table, std::int64_t length);

// What to divide the sum by for METHOD.md's mean over queries and heads.
inline std::int64_t routing_terms(const ChunkTable& table, const AttentionShape& shape) {
  return static_cast<std::int64_t>(table.suffix.size()) * shape.heads;
}

}  // namespace unfold::gsa
