// Gist attention: softmax attention in which every query visits only the keys it sees.
#pragma once

#include <memory>

#include "autograd/variable.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa {

// qkv (rows * length, shape.qkv_width()): rotated queries and keys, then values, as the projection
// leaves them. Returns (rows * length, shape.out_width()). The map decides which pairs are visible
// (METHOD section 5, plain causal, packed documents: one engine).
autograd::Variable attention(const autograd::Variable& qkv, const AttentionShape& shape,
                             std::shared_ptr<const BlockMap> map);

// Makes a device's copy of the map now, and not in the first kernel that reads it. The CPU needs
// none.
void upload(const BlockMap& map, core::Device device);

}  // namespace unfold::gsa
