#include "autograd/ops/linear.h"

#include "autograd/ops/op.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/reduce.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  core::check(x.value().rank() == 2 && weight.value().rank() == 2 && x.dim(1) == weight.dim(1),
              "linear", "x {}, weight {}", core::to_string(x.shape()),
              core::to_string(weight.shape()));
  const Tensor y = Tensor::empty({x.dim(0), weight.dim(0)}, x.dtype(), x.value().device());
  double beta = 0;
  if (bias.defined()) {
    core::check(bias.shape() == core::Shape{weight.dim(0)}, "linear", "bias {} for weight {}",
                core::to_string(bias.shape()), core::to_string(weight.shape()));
    const Tensor zeros =
        Tensor::zeros({x.dim(0)}, core::DType::int32, x.value().device());  // row 0, N times
    kernels::gather_rows(bias.value().reshape({1, -1}), zeros, y);
    beta = 1;
  }
  kernels::matmul(x.value(), false, weight.value(), true, 1.0, beta, y);
  std::vector<Variable> inputs = {x, weight};
  if (bias.defined()) inputs.push_back(bias);
  return record("linear", y, inputs,
                [x_slot = x.slot(), weight_slot = weight.slot(), bias_slot = bias.slot(),
                 x_value = x.value(), weight_value = weight.value()](const Tensor& dy) {
                  if (x_slot) {
                    const Tensor dx = Tensor::empty(x_value.shape(), dy.dtype(), dy.device());
                    kernels::matmul(dy, false, weight_value, false, 1.0, 0.0, dx);
                    x_slot->add(dx);
                  }
                  if (weight_slot) {
                    add_in_accumulator(*weight_slot, [&](const Tensor& dweight) {
                      kernels::matmul(dy, true, x_value, false, 1.0, 1.0, dweight);
                    });
                  }
                  if (bias_slot) {
                    add_in_accumulator(*bias_slot, [&](const Tensor& dbias) {
                      kernels::add_column_sums(dy, dbias);
                    });
                  }
                });
}

}  // namespace unfold::autograd
