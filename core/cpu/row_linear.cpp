#include "core/kernels/row_linear.h"

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"

namespace unfold::core::kernels {

void row_linear_by_parts(const Tensor& x, const Tensor& weight, const RowLinear& around,
                         const Tensor& y) {
  const std::int64_t rows = y.dim(0);
  const Device device = y.device();
  Tensor in = x;
  if (around.norm.defined() || around.swiglu) {
    in = Tensor::empty({rows, weight.dim(1)}, x.dtype(), device);
    if (around.swiglu) {
      swiglu(x, in);
    } else {
      rms_norm(x, around.norm, around.eps, in,
               Tensor::empty({rows}, accumulator_of(x.dtype()), device));
    }
  }
  // linear wants a result apart from what it adds.
  const bool apart = !around.residual.defined() || !around.residual.shares_storage_with(y);
  const Tensor result = apart ? y : Tensor::empty(y.shape(), y.dtype(), device);
  linear(in, weight, around.bias, around.residual, result);
  if (!apart) copy(result, y);
}

namespace cpu {

void row_linear(const Tensor& x, const Tensor& weight, const RowLinear& around, const Tensor& y) {
  row_linear_by_parts(x, weight, around, y);
}

}  // namespace cpu
}  // namespace unfold::core::kernels
