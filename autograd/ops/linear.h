// Linear layer.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// y = x weight^T + bias; x (N, I), weight (O, I), bias (O) or undefined, y (N, O).
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});

}  // namespace unfold::autograd
