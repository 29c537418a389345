// Element-by-element arithmetic and sums. Shapes must agree exactly: nothing broadcasts.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

Variable add(const Variable& a, const Variable& b);
Variable multiply(const Variable& a, const Variable& b);
Variable scale(const Variable& x, double alpha);
// Sum and mean of all elements: a scalar of shape () in the accumulator dtype.
Variable sum(const Variable& x);
Variable mean(const Variable& x);
// Zeroes elements with probability p and scales the rest by 1 / (1 - p); the mask is a function of
// (seed, stream). p == 0 returns x.
Variable dropout(const Variable& x, double p, std::uint64_t seed, std::uint64_t stream);

}  // namespace unfold::autograd
