// Selection kernels: scores, descent and union on the device that holds the keys.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"
#include "gsa/selection.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// Picks for every query of table.suffix and key/value head. qkv (rows * length, shape.qkv_width()),
// rotated; length: positions a row.
UNFOLD_KERNEL(select_chunks, const Tensor& qkv, const AttentionShape& shape,
              const ChunkTable& table, std::int64_t length, const SelectionConfig& config,
              Selection& selection);

}  // namespace unfold::gsa::kernels
