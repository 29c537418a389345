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
// (seed, stream) and the element's place, counted from `first`, a multiple of 4. p == 0 returns x.
Variable dropout(const Variable& x, double p, std::uint64_t seed, std::uint64_t stream,
                 std::uint64_t first = 0);

}  // namespace unfold::autograd
