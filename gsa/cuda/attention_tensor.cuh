// The definitions behind gsa/cuda/attention_tensor.h, for the files that instantiate them.
#pragma once

#include "gsa/cuda/attend_tensor_backward.cuh"
#include "gsa/cuda/attention_tensor.h"
#include "gsa/cuda/general.cuh"
#include "gsa/cuda/map_sources.cuh"

namespace unfold::gsa::kernels::cuda {

template <int kWidth>
void tensor_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                      const core::Tensor& out, const core::Tensor& lse) {
  using T = core::bfloat16;
  using Source = MapQueries<T, kTensorRows>;
  constexpr std::size_t kBytes = tensor_attend_bytes<kWidth>();
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const Source source = map_queries<T, kTensorRows>(on_device->view, heads, qkv.data<T>());
  const dim3 grid = grid_of(source);
  if (grid.x == 0) return;
  allow_shared_memory(attend_tensor<kWidth, Source>, kBytes);
  attend_tensor<kWidth><<<grid, kTensorThreads, kBytes, stream()>>>(
      source, heads, qkv.data<T>(), out.data<T>(), lse.data<float>());
  check_launch("attention on tensor cores");
}

template <int kWidth>
void tensor_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                               const core::Tensor& out, const core::Tensor& lse,
                               const AttentionShape& shape, const BlockMap& map,
                               const core::Tensor& dqkv) {
  using T = core::bfloat16;
  using Queries = MapQueries<T, kTensorRows>;
  using Keys = MapKeys<kTensorRows>;
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const core::Tensor delta = core::Tensor::empty(lse.shape(), lse.dtype(), lse.device());
  launch_row_products<T>(heads, qkv.dim(0), out.data<T>(), dout.data<T>(), delta.data<float>());
  const BackwardOperands<T> in{qkv.data<T>(), dout.data<T>(), lse.data<float>(),
                               delta.data<float>()};
  const Queries queries = map_queries<T, kTensorRows>(on_device->view, heads, qkv.data<T>());
  const dim3 query_grid = grid_of(queries);
  if (query_grid.x > 0) {
    constexpr std::size_t kBytes = tensor_backward_queries_bytes<kWidth>();
    allow_shared_memory(attend_tensor_backward_queries<kWidth, Queries>, kBytes);
    attend_tensor_backward_queries<kWidth>
        <<<query_grid, kTensorThreads, kBytes, stream()>>>(queries, heads, in, dqkv.data<T>());
    check_launch("attention_backward of queries on tensor cores");
  }
  const Keys keys = map_keys<kTensorRows>(on_device->view, heads);
  const dim3 key_grid = grid_of(keys);
  if (key_grid.x > 0) {
    constexpr std::size_t kBytes = tensor_backward_keys_bytes<kWidth>();
    allow_shared_memory(attend_tensor_backward_keys<kWidth, Keys>, kBytes);
    attend_tensor_backward_keys<kWidth>
        <<<key_grid, kTensorThreads, kBytes, stream()>>>(keys, heads, in, dqkv.data<T>());
    check_launch("attention_backward of keys on tensor cores");
  }
}

#define UNFOLD_INSTANTIATE_TENSOR_ATTENTION(kWidth)                                       \
  template void tensor_attention<kWidth>(const core::Tensor&, const AttentionShape&,      \
                                         const BlockMap&, const core::Tensor&,            \
                                         const core::Tensor&);                            \
  template void tensor_attention_backward<kWidth>(                                        \
      const core::Tensor&, const core::Tensor&, const core::Tensor&, const core::Tensor&, \
      const AttentionShape&, const BlockMap&, const core::Tensor&)

}  // namespace unfold::gsa::kernels::cuda
