#include "autograd/ops/smooth_l1.h"

#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable smooth_l1(const Variable& x, const Tensor& target) {
  core::check(x.value().rank() == 2 && x.shape() == target.shape(), "smooth_l1", "x {}, target {}",
              core::shown(x.shape()), core::shown(target.shape()));
  const Tensor losses =
      Tensor::empty({x.dim(0)}, core::accumulator_of(x.dtype()), x.value().device());
  kernels::smooth_l1(x.value(), target, losses);
  return record("smooth_l1", losses, {x},
                [slot = x.slot(), value = x.value(), target](const Tensor& dlosses) {
                  const Tensor dx = Tensor::empty(value.shape(), value.dtype(), value.device());
                  kernels::smooth_l1_backward(dlosses, value, target, dx);
                  slot->add(dx);
                });
}

}  // namespace unfold::autograd
