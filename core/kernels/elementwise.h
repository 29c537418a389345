// Element-by-element kernels. Unless said otherwise: contiguous tensors of one floating dtype and
// one shape; the output may be one of the inputs.
#pragma once

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// y = value; any dtype, contiguous.
UNFOLD_KERNEL(fill, const Tensor& y, double value);
// to = from, element by element in row-major order; any strides, any two dtypes, one shape.
UNFOLD_KERNEL(copy, const Tensor& from, const Tensor& to);
// y = a + b
UNFOLD_KERNEL(add, const Tensor& a, const Tensor& b, const Tensor& y);
// y = a * b
UNFOLD_KERNEL(multiply, const Tensor& a, const Tensor& b, const Tensor& y);
// y = alpha * x
UNFOLD_KERNEL(scale, const Tensor& x, double alpha, const Tensor& y);
// y += alpha * x
UNFOLD_KERNEL(accumulate, const Tensor& x, double alpha, const Tensor& y);
// The same by a factor that is a tensor: a scalar of the accumulator dtype, read where it is.
UNFOLD_KERNEL(scale_by, const Tensor& x, const Tensor& factor, const Tensor& y);
UNFOLD_KERNEL(accumulate_by, const Tensor& x, const Tensor& factor, const Tensor& y);
// y[i] = x[i] / (1 - p) where uniform(seed, stream, first + i) >= p, else 0. 0 <= p < 1.
// The mask is a function of (seed, stream, first), so the backward is the same kernel on the
// gradient. first: a multiple of 4; what is cut into parts keeps its mask if they say where they
// are.
UNFOLD_KERNEL(dropout, const Tensor& x, double p, std::uint64_t seed, std::uint64_t stream,
              std::uint64_t first, const Tensor& y);

}  // namespace unfold::core::kernels
