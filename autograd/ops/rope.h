// Rotary position embedding (Su et al. 2021), half-split pairs as in Llama.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// Rotates the first `rotated` heads of every row by its position; the rest passes through.
// x (N, heads * D); positions (N) int32; table (max_position, D) in the accumulator dtype: D/2
// cosines, then D/2 sines (models/rope_table.h). y has the shape of x.
// Positions outside the table are misuse and throw.
// Give x away (a temporary, std::move) and it is rotated in place where nobody else holds its
// values; so is the incoming gradient.
Variable rope(Variable x, const Tensor& positions, const Tensor& table, std::int64_t rotated);

}  // namespace unfold::autograd
