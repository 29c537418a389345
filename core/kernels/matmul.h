// Matrix products.
#pragma once

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// c = alpha * op(a) op(b) + beta * c, op(x) = x^T when transposed. a, b, c: rank 2, one floating
// dtype, last dimension contiguous (rows may be strided). bfloat16 is multiplied in float32;
// c may then be float32 or bfloat16. On the CPU the result is bit-equal for every thread count.
UNFOLD_KERNEL(matmul, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
              double alpha, double beta, const Tensor& c);

// y = x weight^T + bias + residual. x (N, I), weight (O, I), bias (O) and residual (N, O), either
// of them or both undefined, y (N, O) apart from the others; contiguous, one floating dtype. On the
// CPU the sum with the residual is rounded by itself, as add would; on a GPU everything is rounded
// once.
UNFOLD_KERNEL(linear, const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Tensor& residual, const Tensor& y);

}  // namespace unfold::core::kernels
