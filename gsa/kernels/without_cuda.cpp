// The CUDA side of the gsa kernels that have no CUDA implementation.
#include "core/kernels/without_cuda.h"

#include "gsa/kernels/attention.h"
#include "gsa/kernels/decode.h"

namespace unfold::gsa::kernels::cuda {

using core::kernels::without_cuda;
using T = const Tensor&;

void attention(T, const AttentionShape&, const BlockMap&, T, T) {
  without_cuda("attention");
}
void attention_backward(T, T, T, T, const AttentionShape&, const BlockMap&, T) {
  without_cuda("attention_backward");
}

void decode_attention(T, T, T, std::int64_t, const AttentionShape&, T) {
  without_cuda("decode_attention");
}

}  // namespace unfold::gsa::kernels::cuda
