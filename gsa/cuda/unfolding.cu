#include "gsa/kernels/unfolding.h"

#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/unfolding_general.h"

namespace unfold::gsa::kernels::cuda {

void unfolding(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
               std::int64_t length, const KeySpans& spans, const Tensor& out, const Tensor& lse) {
  if (table.suffix.empty()) return;
  core::cuda::use(qkv.device().index);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_unfolding<T>(qkv, shape, table, length, spans, out, lse);
  });
}

void unfolding_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const ChunkTable& table, std::int64_t length,
                        const KeySpans& spans, const Tensor& dqkv) {
  if (table.suffix.empty()) return;
  core::cuda::use(qkv.device().index);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_unfolding_backward<T>(dout, qkv, out, lse, shape, table, length, spans, dqkv);
  });
}

}  // namespace unfold::gsa::kernels::cuda
