// The layers of a decoder, row by row. N rows (tokens), contiguous. Sums inside a row are taken in
// float32 for bfloat16 tensors, else in the tensor's own precision: the "accumulator dtype".
// Gradients that are added to (dtable, dweight, y of scatter_add_rows), inverse_rms and losses have
// it.
#pragma once

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// y[n] = table[ids[n]]; table (V, W), ids (N) int32, y (N, W).
UNFOLD_KERNEL(embedding, const Tensor& table, const Tensor& ids, const Tensor& y);
// dtable[ids[n] - first] += dy[n], in order of n for each row: dtable holds rows of the table from
// `first` on. Ids whose row it does not hold are passed over.
UNFOLD_KERNEL(embedding_backward, const Tensor& dy, const Tensor& ids, std::int64_t first,
              const Tensor& dtable);

// y = x / rms(x) * weight, rms(x) = sqrt(mean(x^2) + eps); x, y (N, W), weight (W).
// inverse_rms (N) is kept for the backward.
UNFOLD_KERNEL(rms_norm, const Tensor& x, const Tensor& weight, double eps, const Tensor& y,
              const Tensor& inverse_rms);
// dx is written, or added to with one rounding; dweight is added to. y, where defined, becomes what
// rms_norm made of x. dx or y may be dy (not both).
UNFOLD_KERNEL(rms_norm_backward, const Tensor& dy, const Tensor& x, const Tensor& weight,
              const Tensor& inverse_rms, const Tensor& dx, bool add_to_dx, const Tensor& dweight,
              const Tensor& y);

// Rotary embedding, half-split pairs (i, i + D/2), on the first `rotated` heads of width D of every
// row; the rest of the row is copied. x, y (N, heads * D); positions (N) int32; table
// (max_position, D) float32/float64: D/2 cosines, then D/2 sines. inverse turns the other way
// (the backward). y may be x.
UNFOLD_KERNEL(rope, const Tensor& x, const Tensor& positions, const Tensor& table,
              std::int64_t rotated, bool inverse, const Tensor& y);

// y = silu(gate) * up; gate_up (N, 2F) holds gate then up; y (N, F).
UNFOLD_KERNEL(swiglu, const Tensor& gate_up, const Tensor& y);
// y, where defined, becomes what swiglu made of gate_up. dgate_up may be gate_up, y may be dy.
UNFOLD_KERNEL(swiglu_backward, const Tensor& dy, const Tensor& gate_up, const Tensor& dgate_up,
              const Tensor& y);

// losses[n] = logsumexp(logits[n]) - logits[n, targets[n]]; 0 for targets[n] < 0.
// logits (N, V); targets (N) int32; losses (N). With want_gradient the logits are
// overwritten by softmax - onehot (0 in rows without a target).
UNFOLD_KERNEL(cross_entropy, const Tensor& logits, const Tensor& targets, bool want_gradient,
              const Tensor& losses);

// y[m] = x[index[m]]; x (N, W), index (M) int32, y (M, W).
UNFOLD_KERNEL(gather_rows, const Tensor& x, const Tensor& index, const Tensor& y);
// y[index[m]] += x[m], in order of m.
UNFOLD_KERNEL(scatter_add_rows, const Tensor& x, const Tensor& index, const Tensor& y);

// best[n] = index of the largest of logits[n]; ties go to the lower index. logits (N, V), V > 0;
// best (N) int32.
UNFOLD_KERNEL(argmax_rows, const Tensor& logits, const Tensor& best);

// losses[n] = sum_w SmoothL1(x[n, w] - target[n, w]) with beta 1; x, target (N, W); losses (N).
UNFOLD_KERNEL(smooth_l1, const Tensor& x, const Tensor& target, const Tensor& losses);
// dx[n, w] = dlosses[n] * clamp(x - target, -1, 1).
UNFOLD_KERNEL(smooth_l1_backward, const Tensor& dlosses, const Tensor& x, const Tensor& target,
              const Tensor& dx);

}  // namespace unfold::core::kernels
