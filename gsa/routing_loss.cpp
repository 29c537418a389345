#include "gsa/routing_loss.h"

#include "core/kernels/elementwise.h"
#include "gsa/kernels/routing_loss.h"

namespace unfold::gsa {

using autograd::Variable;
using core::Tensor;

// The gradient is made together with the value, from the same scores, and kept for the backward.
Variable routing_loss(const Variable& qkv, const AttentionShape& shape, const ChunkTable& table,
                      std::int64_t length) {
  core::check(qkv.value().rank() == 2 && qkv.dim(1) == shape.qkv_width() && length > 0 &&
                  qkv.dim(0) % length == 0,
              "routing_loss", "qkv {} for rows of {}", core::shown(qkv.shape()), length);
  const core::Device device = qkv.value().device();
  const core::DType wide = core::accumulator_of(qkv.dtype());
  const Tensor loss = Tensor::empty({}, wide, device);
  Tensor dqkv;
  if (autograd::needs_grad({qkv})) dqkv = Tensor::zeros(qkv.shape(), wide, device);
  kernels::routing_loss(qkv.value(), shape, table, length, loss, dqkv);
  return autograd::record("routing_loss", loss, {qkv},
                          [slot = qkv.slot(), dqkv](const Tensor& dloss) {
                            core::kernels::scale_by(dqkv, dloss, dqkv);
                            slot->add(dqkv);
                          });
}

}  // namespace unfold::gsa
