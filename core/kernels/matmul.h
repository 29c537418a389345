// Matrix product.
#pragma once

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// c = alpha * op(a) op(b) + beta * c, op(x) = x^T when transposed. a, b, c: rank 2, one floating
// dtype, last dimension contiguous (rows may be strided). bfloat16 is multiplied in float32;
// c may then be float32 or bfloat16. On the CPU the result is bit-equal for every thread count.
UNFOLD_KERNEL(matmul, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
              double alpha, double beta, const Tensor& c);

}  // namespace unfold::core::kernels
