// Key/value cache of one sequence, and the attention that fills and reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/tensor.h"
#include "models/attention_context.h"

namespace unfold::models {

// Prefill attends over a block map and keeps the keys that later tokens can still see; every decode
// step appends its own key and attends to all kept ones. Under gist visibility the cache is
// therefore as small as what is attended: closed chunks leave only their gists behind.
class CachedAttention : public AttentionContext {
 public:
  // capacity: kept keys of the prompt plus tokens to generate.
  CachedAttention(std::int64_t layers, const gsa::AttentionShape& shape, std::int64_t capacity,
                  core::DType dtype, core::Device device);

  // The next attend() calls see the whole prompt; `kept` (positions in the prompt, ascending) stay.
  void begin_prefill(std::shared_ptr<const gsa::BlockMap> map, std::vector<std::int32_t> kept);
  // The next attend() calls see one token each.
  void begin_decode();

  autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                            const gsa::AttentionShape& shape) override;

  // Keys a query reads now.
  std::int64_t size() const { return size_; }

 private:
  std::vector<core::Tensor> keys_;  // a layer: (capacity, kv_heads * width)
  std::vector<core::Tensor> values_;
  std::shared_ptr<const gsa::BlockMap> prefill_;
  core::Tensor kept_;
  std::int64_t size_ = 0;
};

}  // namespace unfold::models
