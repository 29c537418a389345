#include "autograd/ops/swiglu.h"

#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable swiglu(const Variable& gate_up) {
  core::check(gate_up.value().rank() == 2 && gate_up.dim(1) % 2 == 0, "swiglu", "gate_up {}",
              core::shown(gate_up.shape()));
  const Tensor y = Tensor::empty({gate_up.dim(0), gate_up.dim(1) / 2}, gate_up.dtype(),
                                 gate_up.value().device());
  kernels::swiglu(gate_up.value(), y);
  return record("swiglu", y, {gate_up},
                [slot = gate_up.slot(), value = gate_up.value()](const Tensor& dy) {
                  const Tensor dx = Tensor::empty(value.shape(), dy.dtype(), dy.device());
                  kernels::swiglu_backward(dy, value, dx, Tensor());
                  slot->add(dx);
                });
}

}  // namespace unfold::autograd
