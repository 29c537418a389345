#include "core/kernels/row_linear.h"

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"

namespace unfold::core::kernels {

void row_linear_by_parts(const Tensor& x, const Tensor& weight, const RowLinear& around,
                         const Tensor& y) {
  const std::int64_t rows = y.dim(0);
  const auto make = [&](std::int64_t width, DType dtype) {
    return Tensor::empty({rows, width}, dtype, y.device());
  };
  Tensor in = x;
  if (around.norm.defined()) {
    in = make(x.dim(1), x.dtype());
    rms_norm(x, around.norm, around.eps, in, make(1, accumulator_of(x.dtype())).reshape({rows}));
  }
  if (around.gated) {
    check(!around.bias.defined() && !around.residual.defined(), "row_linear",
          "gated outputs with a bias or a residual");
    const Tensor gate_up = make(weight.dim(0), y.dtype());
    linear(in, weight, Tensor(), Tensor(), gate_up);
    swiglu(gate_up, y);
    return;
  }
  // linear wants a result apart from what it adds.
  const bool apart = !around.residual.defined() || !around.residual.shares_storage_with(y);
  const Tensor result = apart ? y : make(y.dim(1), y.dtype());
  linear(in, weight, around.bias, around.residual, result);
  if (!apart) copy(result, y);
}

namespace cpu {

void row_linear(const Tensor& x, const Tensor& weight, const RowLinear& around, const Tensor& y) {
  row_linear_by_parts(x, weight, around, y);
}

}  // namespace cpu
}  // namespace unfold::core::kernels
