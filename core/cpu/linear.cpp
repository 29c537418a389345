#include <algorithm>

#include "core/kernels/elementwise.h"
#include "core/kernels/float_types.h"
#include "core/kernels/matmul.h"

namespace unfold::core::kernels::cpu {

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
            const Tensor& y) {
  if (bias.defined()) {
    on_float(y.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* row = bias.data<T>();
      T* out = y.data<T>();
      for (std::int64_t n = 0; n < y.dim(0); ++n) out = std::copy_n(row, y.dim(1), out);
    });
  }
  cpu::matmul(x, false, weight, true, 1.0, bias.defined() ? 1.0 : 0.0, y);
  if (residual.defined()) cpu::add(residual, y, y);
}

}  // namespace unfold::core::kernels::cpu
