// Next-token loss fused with the output head. The logits of all rows are never in memory at once:
// rows are taken in chunks, and a chunk's logits become its gradient in place.
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// Rows of logits in memory at a time, on a CPU.
inline constexpr std::int64_t kCrossEntropyRows = 256;
// The same on any device, when `count` rows carry a loss. On a GPU, where small products leave most
// of it idle, as many as take about 256 MiB, or, of a large vocabulary, up to 2048 that take 512
// MiB, in chunks of equal multiples of 128.
std::int64_t cross_entropy_rows(core::Device device, core::DType dtype, std::int64_t classes,
                                std::int64_t count);

// Sum over rows n with targets[n] >= 0 of  -log softmax(hidden[n] head^T)[targets[n]].
// hidden (N, W); head (V', W), of which the first `classes` rows are the classes; targets (N) int32
// on the CPU, negative = ignored. Returns a scalar () in the accumulator dtype. Gradients to hidden
// and head are computed in the forward pass and scaled in the backward.
Variable linear_cross_entropy(const Variable& hidden, const Variable& head, std::int64_t classes,
                              const Tensor& targets);

// The same loss row by row, without gradient: (N), 0 for ignored rows.
Tensor token_losses(const Tensor& hidden, const Tensor& head, std::int64_t classes,
                    const Tensor& targets);

}  // namespace unfold::autograd
