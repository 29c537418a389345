// Root-mean-square normalisation (Zhang & Sennrich 2019).
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// y = x / sqrt(mean(x^2) + eps) * weight, row by row; x (N, W), weight (W).
Variable rms_norm(const Variable& x, const Variable& weight, double eps);

}  // namespace unfold::autograd
