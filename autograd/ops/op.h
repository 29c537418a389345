// Shared by the ops: adding to the gradient of a parameter in the dtype sums are kept in.
#pragma once

#include <utility>

#include "autograd/variable.h"

namespace unfold::autograd {

// Lets add_to(target) add a gradient to `target`, a tensor of the slot's shape in the accumulator
// dtype. That is the slot's own gradient where the dtypes agree (parameters), else a temporary.
template <typename F>
void add_in_accumulator(GradientSlot& slot, F&& add_to) {
  const core::DType wide = core::accumulator_of(slot.dtype);
  if (wide == slot.dtype) {
    std::forward<F>(add_to)(slot.accumulator());
    return;
  }
  const Tensor total = Tensor::zeros(slot.shape, wide, slot.device);
  std::forward<F>(add_to)(total);
  slot.add(total);
}

}  // namespace unfold::autograd
