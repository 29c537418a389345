// Sums, into tensors of the accumulator dtype (float32 for bfloat16). Partial sums are taken over
// fixed blocks, so results do not depend on the thread count.
#pragma once

#include <vector>

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// y (scalar) = sum of x, accumulated in double.
UNFOLD_KERNEL(sum, const Tensor& x, const Tensor& y);
// y (M) += column sums of x (N, M).
UNFOLD_KERNEL(add_column_sums, const Tensor& x, const Tensor& y);
// y (scalar float64) += sum of squares of x.
UNFOLD_KERNEL(add_squared_norm, const Tensor& x, const Tensor& y);
// The same for many tensors, at least one, of one dtype: y += sum of squares of all. On a GPU two
// launches do it.
UNFOLD_KERNEL(add_squared_norms, const std::vector<Tensor>& xs, const Tensor& y);

}  // namespace unfold::core::kernels
