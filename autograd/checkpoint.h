// Activation checkpointing (Chen et al. 2016): trade recomputation for memory around a block.
#pragma once

#include <functional>
#include <vector>

#include "autograd/variable.h"

namespace unfold::autograd {

// Runs block(inputs) without saving its inner tensors; the backward runs it again with recording.
// block must be a pure function of its inputs and of `parameters` (leaves it uses; their gradients
// and on_ready hooks work as without checkpointing). Values and gradients are bit-equal to those
// without checkpointing.
std::vector<Variable> checkpoint(
    const std::function<std::vector<Variable>(const std::vector<Variable>&)>& block,
    const std::vector<Variable>& inputs, const std::vector<Variable>& parameters);

}  // namespace unfold::autograd
