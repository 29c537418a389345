// Smooth L1 distance of rows (the alignment term of METHOD.md section 6).
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// losses[n] = sum over w of SmoothL1(x[n, w] - target[n, w]), beta 1; no gradient to target.
// x, target (N, W); result (N) in the accumulator dtype.
Variable smooth_l1(const Variable& x, const Tensor& target);

}  // namespace unfold::autograd
