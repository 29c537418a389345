#include "autograd/ops/rms_norm.h"

#include "autograd/ops/op.h"
#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable rms_norm(const Variable& x, const Variable& weight, double eps) {
  core::check(x.value().rank() == 2 && weight.shape() == core::Shape{x.dim(1)}, "rms_norm",
              "x {}, weight {}", core::shown(x.shape()), core::shown(weight.shape()));
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.value().device());
  const Tensor inverse_rms =
      Tensor::empty({x.dim(0)}, core::accumulator_of(x.dtype()), x.value().device());
  kernels::rms_norm(x.value(), weight.value(), eps, y, inverse_rms);
  return record("rms_norm", y, {x, weight},
                [x_slot = x.slot(), weight_slot = weight.slot(), x_value = x.value(),
                 weight_value = weight.value(), inverse_rms](const Tensor& dy) {
                  const Tensor dx = Tensor::empty(x_value.shape(), dy.dtype(), dy.device());
                  const auto run = [&](const Tensor& dweight) {
                    kernels::rms_norm_backward(dy, x_value, weight_value, inverse_rms, dx, false,
                                               dweight, Tensor());
                  };
                  if (weight_slot) {
                    add_in_accumulator(*weight_slot, run);
                  } else {
                    run(Tensor::zeros(weight_value.shape(), inverse_rms.dtype(), dy.device()));
                  }
                  if (x_slot) x_slot->add(dx);
                });
}

}  // namespace unfold::autograd
