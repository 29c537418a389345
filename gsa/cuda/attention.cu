#include "gsa/kernels/attention.h"

#include "gsa/cuda/attention_general.h"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {

void attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
               const Tensor& out, const Tensor& lse) {
  const OnDevice device(qkv.device());
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention<T>(qkv, shape, map, out, lse);
  });
}

void attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  const OnDevice device(qkv.device());
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention_backward<T>(dout, qkv, out, lse, shape, map, dqkv);
  });
}

}  // namespace unfold::gsa::kernels::cuda
