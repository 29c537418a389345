// Token embedding.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// y[n] = table[ids[n]]; table (V, W), ids (N) int32 on the table's device, y (N, W).
// Ids outside [0, V) are misuse and throw.
Variable embedding(const Variable& table, const Tensor& ids);

}  // namespace unfold::autograd
