// Ops that move elements without changing them.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// A view; one extent may be -1.
Variable reshape(const Variable& x, core::Shape shape);
// Swaps two dimensions; the result is contiguous.
Variable transpose(const Variable& x, std::int64_t a, std::int64_t b);
// Elements [begin, end) of one dimension, contiguous.
Variable slice(const Variable& x, std::int64_t dim, std::int64_t begin, std::int64_t end);
// Tensors one behind the other along `dim`; all other extents agree.
Variable concat(const std::vector<Variable>& parts, std::int64_t dim);
// y[m] = x[index[m]]; x (N, W), index (M) int32 on the device of x, y (M, W).
// Indices outside [0, N) are misuse and throw.
Variable gather_rows(const Variable& x, const Tensor& index);
// The same values in another floating dtype.
Variable cast(const Variable& x, core::DType dtype);

}  // namespace unfold::autograd
