// Products of a few rows with a matrix of weights, which cuBLASLt takes far slower than memory.
#pragma once

#include "core/cuda/blas.h"

namespace unfold::core::kernels::cuda {

// A product of at most kFewRows rows with a transposed matrix, in the dtype of its operands, with
// alpha 1 and beta 0 or 1. False for any other: nothing was done.
bool multiply_few_rows(const core::cuda::Product& product);

}  // namespace unfold::core::kernels::cuda
