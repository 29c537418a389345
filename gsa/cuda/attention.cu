#include "gsa/kernels/attention.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gsa/cuda/attention_general.h"
#include "gsa/cuda/attention_tensor.h"
#include "gsa/cuda/cudnn_attention.h"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {

// Vectors are copied in pieces of 16 bytes. Only where UNFOLD_TENSOR_CORES=1 asks for it: this path
// has not passed its tests on a GPU yet.
bool fits_tensor_cores(const Tensor& qkv, const AttentionShape& shape) {
  const char* wanted = std::getenv("UNFOLD_TENSOR_CORES");
  if (wanted == nullptr || std::string_view(wanted) != "1") return false;
  return qkv.dtype() == core::DType::bfloat16 && (shape.width == 64 || shape.width == 128) &&
         reinterpret_cast<std::uintptr_t>(qkv.raw()) % 16 == 0;
}

void attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
               const Tensor& out, const Tensor& lse) {
  core::cuda::use(qkv.device().index);
  if (cudnn_attention(qkv, shape, map, out, lse)) return;
  if (fits_tensor_cores(qkv, shape)) {
    const auto run = shape.width == 64 ? tensor_attention<64> : tensor_attention<128>;
    run(qkv, shape, map, out, lse);
    return;
  }
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention<T>(qkv, shape, map, out, lse);
  });
}

void attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  core::cuda::use(qkv.device().index);
  if (cudnn_attention_backward(dout, qkv, out, lse, shape, map, dqkv)) return;
  if (fits_tensor_cores(qkv, shape) && fits_tensor_cores(dout, shape)) {
    const auto run =
        shape.width == 64 ? tensor_attention_backward<64> : tensor_attention_backward<128>;
    run(dout, qkv, out, lse, shape, map, dqkv);
    return;
  }
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention_backward<T>(dout, qkv, out, lse, shape, map, dqkv);
  });
}

}  // namespace unfold::gsa::kernels::cuda
