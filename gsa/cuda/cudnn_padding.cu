#include "gsa/cuda/cudnn_documents.h"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {
namespace {

using core::bfloat16;

constexpr int kThreads = 128;

// A block takes a token; a warp its query heads in turn.
__global__ void __launch_bounds__(kThreads)
    padding_kernel(Heads heads, const int* padding, const bfloat16* qkv, bfloat16* out,
                   float* lse) {
  const std::int64_t token = padding[blockIdx.x];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int head = static_cast<int>(threadIdx.x) / kWarp; head < heads.heads;
       head += kThreads / kWarp) {
    const bfloat16* query = qkv + heads.query(token, head);
    const bfloat16* key = qkv + heads.key(token, head / heads.group);
    const bfloat16* value = qkv + heads.value(token, head / heads.group);
    bfloat16* result = out + heads.out(token, head);
    float score = 0.0f;
    for (int d = lane; d < heads.width; d += kWarp) {
      score += widen(query[d]) * widen(key[d]);
      result[d] = value[d];
    }
    score = warp_sum(score);
    if (lane == 0) lse[heads.lse(token, head)] = score * score_scale<float>(heads.width);
  }
}

__global__ void __launch_bounds__(kThreads)
    padding_backward_kernel(Heads heads, const int* padding, const bfloat16* dout, bfloat16* dqkv) {
  const std::int64_t token = padding[blockIdx.x];
  const int no_gradient = (heads.heads + heads.kv_heads) * heads.width;
  bfloat16* row = dqkv + heads.query(token, 0);
  for (int i = static_cast<int>(threadIdx.x); i < no_gradient; i += kThreads) {
    row[i] = narrow<bfloat16>(0.0f);
  }
  for (int i = static_cast<int>(threadIdx.x); i < heads.kv_heads * heads.width; i += kThreads) {
    const int kv_head = i / heads.width;
    const int d = i % heads.width;
    float sum = 0.0f;
    for (int g = 0; g < heads.group; ++g) {
      sum += widen(dout[heads.out(token, kv_head * heads.group + g) + d]);
    }
    row[no_gradient + i] = narrow<bfloat16>(sum);
  }
}

}  // namespace

void attend_padding(const core::Tensor& padding, const core::Tensor& qkv,
                    const AttentionShape& shape, const core::Tensor& out, const core::Tensor& lse) {
  if (padding.size() == 0) return;
  padding_kernel<<<grid_extent(padding.size()), kThreads, 0, stream()>>>(
      Heads(shape), padding.data<std::int32_t>(), qkv.data<bfloat16>(), out.data<bfloat16>(),
      lse.data<float>());
  check_launch("attend_padding");
}

void attend_padding_backward(const core::Tensor& padding, const core::Tensor& dout,
                             const AttentionShape& shape, const core::Tensor& dqkv) {
  if (padding.size() == 0) return;
  padding_backward_kernel<<<grid_extent(padding.size()), kThreads, 0, stream()>>>(
      Heads(shape), padding.data<std::int32_t>(), dout.data<bfloat16>(), dqkv.data<bfloat16>());
  check_launch("attend_padding_backward");
}

}  // namespace unfold::gsa::kernels::cuda
