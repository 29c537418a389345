#include "gsa/attention.h"

#include "gsa/kernels/attention.h"

namespace unfold::gsa {

using autograd::Variable;
using core::Tensor;

Variable attention(const Variable& qkv, const AttentionShape& shape,
                   std::shared_ptr<const BlockMap> map) {
  core::check(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, "attention",
              "{} query heads are not a multiple of {} key heads", shape.heads, shape.kv_heads);
  core::check(map != nullptr && qkv.value().rank() == 2 && qkv.dim(1) == shape.qkv_width() &&
                  qkv.dim(0) == map->rows() * map->length(),
              "attention", "qkv {} for {} + 2 x {} heads of {}", core::shown(qkv.shape()),
              shape.heads, shape.kv_heads, shape.width);
  const core::Device device = qkv.value().device();
  const Tensor out = Tensor::empty({qkv.dim(0), shape.out_width()}, qkv.dtype(), device);
  const Tensor lse =
      Tensor::empty({qkv.dim(0), shape.heads}, core::accumulator_of(qkv.dtype()), device);
  kernels::attention(qkv.value(), shape, *map, out, lse);
  return autograd::record(
      "attention", out, {qkv},
      [slot = qkv.slot(), value = qkv.value(), out, lse, shape, map](const Tensor& dout) {
        const Tensor dqkv = Tensor::empty(value.shape(), value.dtype(), value.device());
        kernels::attention_backward(dout, value, out, lse, shape, *map, dqkv);
        slot->add(dqkv);
      });
}

void upload(const BlockMap& map, core::Device device) {
  if (device.type == core::DeviceType::cuda) kernels::cuda::upload_map(map, device);
}

}  // namespace unfold::gsa
