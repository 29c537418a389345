#include "models/kv_cache.h"

#include "core/kernels/elementwise.h"
#include "core/kernels/nn.h"
#include "gsa/attention.h"
#include "gsa/kernels/decode.h"

namespace unfold::models {

using autograd::Variable;
using core::Tensor;

CachedAttention::CachedAttention(std::int64_t layers, const gsa::AttentionShape& shape,
                                 std::int64_t capacity, core::DType dtype, core::Device device) {
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    keys_.push_back(Tensor::empty({capacity, shape.kv_heads * shape.width}, dtype, device));
    values_.push_back(Tensor::empty({capacity, shape.kv_heads * shape.width}, dtype, device));
  }
}

void CachedAttention::begin_prefill(std::shared_ptr<const gsa::BlockMap> map,
                                    std::vector<std::int32_t> kept) {
  prefill_ = std::move(map);
  const auto count = static_cast<std::int64_t>(kept.size());
  core::check(keys_.empty() || count <= keys_[0].dim(0), "kv_cache", "{} keys for a capacity of {}",
              count, keys_.empty() ? 0 : keys_[0].dim(0));
  kept_ = Tensor::from(kept, {count}, keys_.empty() ? core::Device{} : keys_[0].device());
  size_ = count;
}

void CachedAttention::begin_decode() {
  prefill_ = nullptr;
  ++size_;
  core::check(keys_.empty() || size_ <= keys_[0].dim(0), "kv_cache", "full at {} keys", size_ - 1);
}

Variable CachedAttention::attend(std::int64_t layer, const Variable& qkv,
                                 const gsa::AttentionShape& shape) {
  const Tensor& keys = keys_[static_cast<std::size_t>(layer)];
  const Tensor& values = values_[static_cast<std::size_t>(layer)];
  const std::int64_t key_begin = shape.heads * shape.width;
  const std::int64_t value_begin = key_begin + shape.kv_heads * shape.width;
  const Tensor new_keys = qkv.value().slice(1, key_begin, value_begin);
  const Tensor new_values = qkv.value().slice(1, value_begin, shape.qkv_width());
  if (prefill_) {
    core::kernels::gather_rows(new_keys.contiguous(), kept_, keys);
    core::kernels::gather_rows(new_values.contiguous(), kept_, values);
    return gsa::attention(qkv, shape, prefill_);
  }
  core::kernels::copy(new_keys, keys.slice(0, size_ - 1, size_));
  core::kernels::copy(new_values, values.slice(0, size_ - 1, size_));
  const Tensor out = Tensor::empty({1, shape.out_width()}, qkv.dtype(), qkv.value().device());
  gsa::kernels::decode_attention(qkv.value(), keys, values, size_, shape, out);
  return Variable(out);
}

}  // namespace unfold::models
