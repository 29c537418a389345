#include "autograd/ops/fused_linear.h"

#include "autograd/ops/linear.h"
#include "autograd/ops/linear_gradients.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/swiglu.h"
#include "core/kernels/nn.h"
#include "core/meta.h"

namespace unfold::autograd {
namespace {

namespace kernels = core::kernels;

Tensor like(const Tensor& x) {
  return Tensor::empty(x.shape(), x.dtype(), x.device());
}

// Whether inputs are made again in the backward. What saves nothing takes the plain ops.
bool makes_again(const Variable& x, const std::vector<Variable>& inputs, Recompute recompute) {
  const bool wanted = recompute == Recompute::always || core::like_gpu(x.value().device());
  return wanted && needs_grad(inputs);
}

}  // namespace

Variable norm_linear(const Variable& x, const Variable& norm_weight, double eps,
                     const Variable& weight, const Variable& bias, Recompute recompute) {
  std::vector<Variable> inputs = {x, norm_weight, weight};
  if (bias.defined()) inputs.push_back(bias);
  if (!makes_again(x, inputs, recompute))
    return linear(rms_norm(x, norm_weight, eps), weight, bias);

  Tensor inverse_rms;
  Tensor y;
  {
    const NoGrad no_grad;
    core::check(x.value().rank() == 2 && norm_weight.shape() == core::Shape{x.dim(1)},
                "norm_linear", "x {}, norm weight {}", core::shown(x.shape()),
                core::shown(norm_weight.shape()));
    const Variable normed(like(x.value()));
    inverse_rms = Tensor::empty({x.dim(0)}, core::accumulator_of(x.dtype()), x.value().device());
    kernels::rms_norm(x.value(), norm_weight.value(), eps, normed.value(), inverse_rms);
    y = linear(normed, weight, bias).value();
  }
  return record("norm_linear", y, inputs,
                [x_slot = x.slot(), norm_slot = norm_weight.slot(), weight_slot = weight.slot(),
                 bias_slot = bias.slot(), x_value = x.value(), norm_value = norm_weight.value(),
                 weight_value = weight.value(), inverse_rms](const Tensor& dy) {
                  // The gradient of the normalised rows first; in the pass over it they take its
                  // place.
                  const Tensor normed = Tensor::empty(x_value.shape(), dy.dtype(), dy.device());
                  kernels::matmul(dy, false, weight_value, false, 1.0, 0.0, normed);
                  const bool add = x_slot && adds_in_place(*x_slot, dy.dtype());
                  const Tensor dx = add ? x_slot->gradient : like(normed);
                  const auto run = [&](const Tensor& dnorm) {
                    kernels::rms_norm_backward(normed, x_value, norm_value, inverse_rms, dx, add,
                                               dnorm, normed);
                  };
                  if (norm_slot) {
                    add_in_accumulator(*norm_slot, run);
                  } else {
                    run(Tensor::zeros(norm_value.shape(), inverse_rms.dtype(), dy.device()));
                  }
                  if (x_slot && !add) x_slot->add(dx);
                  add_linear_gradients(dy, normed, weight_slot.get(), bias_slot.get());
                });
}

Variable swiglu_linear(const Variable& gate_up, const Variable& weight, const Variable& residual,
                       Recompute recompute) {
  std::vector<Variable> inputs = {gate_up, weight};
  if (residual.defined()) inputs.push_back(residual);
  if (!makes_again(gate_up, inputs, recompute))
    return linear(swiglu(gate_up), weight, {}, residual);

  Tensor y;
  {
    const NoGrad no_grad;
    y = linear(swiglu(gate_up), weight, {}, residual).value();
  }
  return record(
      "swiglu_linear", y, inputs,
      [slot = gate_up.slot(), weight_slot = weight.slot(), residual_slot = residual.slot(),
       value = gate_up.value(), weight_value = weight.value()](const Tensor& dy) {
        if (residual_slot) residual_slot->add(dy);
        const Tensor activated =
            Tensor::empty({value.dim(0), weight_value.dim(1)}, dy.dtype(), dy.device());
        if (slot) {
          // The gradient of the activated rows first; in the pass over it they take its place.
          kernels::matmul(dy, false, weight_value, false, 1.0, 0.0, activated);
          const Tensor dgate_up = value.owns_alone() ? value : like(value);
          kernels::swiglu_backward(activated, value, dgate_up, activated);
          slot->add(dgate_up);
        } else {
          kernels::swiglu(value, activated);
        }
        add_linear_gradients(dy, activated, weight_slot.get(), nullptr);
      });
}

}  // namespace unfold::autograd
