// Stands in for gsa/cuda in a build without CUDA.
#include "core/kernels/without_cuda.h"

#include "gsa/kernels/attention.h"
#include "gsa/kernels/decode.h"
#include "gsa/kernels/routing_loss.h"
#include "gsa/kernels/selection.h"
#include "gsa/kernels/step.h"
#include "gsa/kernels/unfolding.h"

namespace unfold::gsa::kernels::cuda {

using core::kernels::without_cuda;
using T = const Tensor&;

void attention(T, const AttentionShape&, const BlockMap&, T, T) {
  without_cuda("attention");
}
void attention_backward(T, T, T, T, const AttentionShape&, const BlockMap&, T) {
  without_cuda("attention_backward");
}

void upload_map(const BlockMap&, core::Device) {
  without_cuda("upload_map");
}

void cached_attention(T, const AttentionShape&, std::span<CachedTokens>, T) {
  without_cuda("cached_attention");
}

void step_store(T, const StepPlan&, std::int64_t, T) {
  without_cuda("step_store");
}
void step_attention(T, const StepPlan&, std::int64_t, T) {
  without_cuda("step_attention");
}

void routing_loss(T, const AttentionShape&, const ChunkTable&, std::int64_t, T, T) {
  without_cuda("routing_loss");
}

void select_chunks(T, const AttentionShape&, const ChunkTable&, std::int64_t,
                   const SelectionConfig&, Selection&) {
  without_cuda("select_chunks");
}
void unfolding(T, const AttentionShape&, const ChunkTable&, std::int64_t, const KeySpans&, T, T) {
  without_cuda("unfolding");
}
void unfolding_backward(T, T, T, T, const AttentionShape&, const ChunkTable&, std::int64_t,
                        const KeySpans&, T) {
  without_cuda("unfolding_backward");
}

}  // namespace unfold::gsa::kernels::cuda
