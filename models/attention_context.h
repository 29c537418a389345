// How a decoder attends: the one place where training, prefill, decoding and the compared attention
// methods differ. The decoder projects and rotates; the context does the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "autograd/variable.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::models {

class AttentionContext {
 public:
  virtual ~AttentionContext() = default;
  // qkv (tokens, shape.qkv_width()) of one layer, queries and keys rotated.
  // Returns (tokens, shape.out_width()).
  virtual autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                                    const gsa::AttentionShape& shape) = 0;
  // Scalars that the layer attended last adds to the training loss; each is given once. The decoder
  // asks behind every layer, inside what activation checkpointing recomputes, and hands them on
  // (ForwardOptions::attention_losses): so they keep their gradient, and none counts twice.
  virtual std::vector<autograd::Variable> take_losses() { return {}; }
};

// Whole rows at once, differentiable: every layer attends over the ranges of one block map.
class BlockAttention : public AttentionContext {
 public:
  explicit BlockAttention(std::shared_ptr<const gsa::BlockMap> map) : map_(std::move(map)) {}
  autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                            const gsa::AttentionShape& shape) override;

 private:
  std::shared_ptr<const gsa::BlockMap> map_;
};

}  // namespace unfold::models
