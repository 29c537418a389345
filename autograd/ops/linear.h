// Linear layer.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// y = x weight^T + bias + residual; x (N, I), weight (O, I), bias (O) or undefined, residual (N, O)
// or undefined, y (N, O). With a residual, add(residual, linear(x, weight, bias)); on a GPU in one
// product, rounded once.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {},
                const Variable& residual = {});

}  // namespace unfold::autograd
