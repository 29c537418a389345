// The definitions behind gsa/cuda/attention_general.h, for the files that instantiate them.
#pragma once

#include "gsa/cuda/attention_general.h"
#include "gsa/cuda/general.cuh"
#include "gsa/cuda/map_sources.cuh"

namespace unfold::gsa::kernels::cuda {

template <typename T>
void general_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                       const core::Tensor& out, const core::Tensor& lse) {
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const MapQueries<T> source = map_queries(on_device->view, heads, qkv.data<T>());
  launch_attend<T, T>(source, grid_of(source), heads, qkv.data<T>(), out.data<T>(),
                      lse.data<Accumulator<T>>());
}

template <typename T>
void general_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                                const core::Tensor& out, const core::Tensor& lse,
                                const AttentionShape& shape, const BlockMap& map,
                                const core::Tensor& dqkv) {
  using A = Accumulator<T>;
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const core::Tensor delta = core::Tensor::empty(lse.shape(), lse.dtype(), lse.device());
  launch_row_products<T>(heads, qkv.dim(0), out.data<T>(), dout.data<T>(), delta.data<A>());
  const BackwardOperands<T> in{qkv.data<T>(), dout.data<T>(), lse.data<A>(), delta.data<A>()};
  const MapQueries<T> queries = map_queries(on_device->view, heads, qkv.data<T>());
  launch_backward_queries<T, T>(queries, grid_of(queries), heads, in, dqkv.data<T>());
  const MapKeys keys = map_keys(on_device->view, heads);
  launch_backward_keys<T, T, false>(keys, grid_of(keys), heads, in, dqkv.data<T>());
}

#define UNFOLD_INSTANTIATE_ATTENTION(T)                                                           \
  template void general_attention<T>(const core::Tensor&, const AttentionShape&, const BlockMap&, \
                                     const core::Tensor&, const core::Tensor&);                   \
  template void general_attention_backward<T>(                                                    \
      const core::Tensor&, const core::Tensor&, const core::Tensor&, const core::Tensor&,         \
      const AttentionShape&, const BlockMap&, const core::Tensor&)

}  // namespace unfold::gsa::kernels::cuda
