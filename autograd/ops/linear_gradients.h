// Shared by the ops that end in a linear layer: the gradients of its weight and bias, and when a
// gradient may be added to in place.
#pragma once

#include "autograd/ops/op.h"
#include "core/kernels/matmul.h"
#include "core/kernels/reduce.h"

namespace unfold::autograd {

// dweight += dy^T x and dbias += column sums of dy; null: not wanted. x (N, I), dy (N, O).
inline void add_linear_gradients(const Tensor& dy, const Tensor& x, GradientSlot* weight,
                                 GradientSlot* bias) {
  if (weight != nullptr) {
    double beta = 0;
    const Tensor& dweight = weight->accumulator(beta);  // a product may be rounded as it is written
    core::kernels::matmul(dy, true, x, false, 1.0, beta, dweight);
  }
  if (bias != nullptr) {
    add_in_accumulator(*bias,
                       [&](const Tensor& dbias) { core::kernels::add_column_sums(dy, dbias); });
  }
}

// Whether a kernel may add to the slot's gradient where it lies: it is there, in the dtype of what
// is added, and nobody else holds it.
inline bool adds_in_place(const GradientSlot& slot, core::DType dtype) {
  return slot.gradient.defined() && slot.gradient.owns_alone() && slot.gradient.dtype() == dtype &&
         slot.gradient.is_contiguous();
}

}  // namespace unfold::autograd
