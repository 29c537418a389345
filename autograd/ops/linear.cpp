#include "autograd/ops/linear.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/linear_gradients.h"
#include "core/meta.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable linear(const Variable& x, const Variable& weight, const Variable& bias,
                const Variable& residual) {
  core::check(x.value().rank() == 2 && weight.value().rank() == 2 && x.dim(1) == weight.dim(1),
              "linear", "x {}, weight {}", core::shown(x.shape()), core::shown(weight.shape()));
  const core::Shape shape = {x.dim(0), weight.dim(0)};
  if (residual.defined() && !core::like_gpu(x.value().device())) {
    return add(residual, linear(x, weight, bias));
  }
  std::vector<Variable> inputs = {x, weight};
  if (bias.defined()) {
    core::check(bias.shape() == core::Shape{weight.dim(0)}, "linear", "bias {} for weight {}",
                core::shown(bias.shape()), core::shown(weight.shape()));
    inputs.push_back(bias);
  }
  if (residual.defined()) {
    core::check(residual.shape() == shape && residual.dtype() == x.dtype(), "linear",
                "{} residual {} for {} output {}", core::name_of(residual.dtype()),
                core::shown(residual.shape()), core::name_of(x.dtype()), core::shown(shape));
    inputs.push_back(residual);
  }
  const Tensor y = Tensor::empty(shape, x.dtype(), x.value().device());
  kernels::linear(x.value(), weight.value(), bias.value(), residual.value(), y);
  return record("linear", y, inputs,
                [x_slot = x.slot(), weight_slot = weight.slot(), bias_slot = bias.slot(),
                 residual_slot = residual.slot(), x_value = x.value(),
                 weight_value = weight.value()](const Tensor& dy) {
                  if (residual_slot) residual_slot->add(dy);
                  if (x_slot) {
                    const Tensor dx = Tensor::empty(x_value.shape(), dy.dtype(), dy.device());
                    kernels::matmul(dy, false, weight_value, false, 1.0, 0.0, dx);
                    x_slot->add(dx);
                  }
                  add_linear_gradients(dy, x_value, weight_slot.get(), bias_slot.get());
                });
}

}  // namespace unfold::autograd
