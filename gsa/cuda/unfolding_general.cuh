// The definitions behind gsa/cuda/unfolding_general.h, for the files that instantiate them.
#pragma once

#include "gsa/cuda/general.cuh"
#include "gsa/cuda/span_sources.cuh"
#include "gsa/cuda/unfolding_general.h"

namespace unfold::gsa::kernels::cuda {

template <typename T>
SpanQueries<T> span_queries(const DeviceTable& table, const DeviceSpans& spans, const Heads& heads,
                            const T* qkv, std::int64_t length) {
  return {table.view.suffix,
          spans.offsets.data<std::int32_t>(),
          uploaded<int2>(spans.spans),
          heads,
          qkv,
          static_cast<int>(length),
          static_cast<int>(blocks_of(heads.group, kTileRows))};
}

template <typename T>
dim3 grid_of(const SpanQueries<T>& source, const DeviceTable& table) {
  return dim3(grid_extent(static_cast<std::int64_t>(table.view.queries) * source.parts),
              grid_extent(source.heads.kv_heads));
}

template <typename T>
void general_unfolding(const core::Tensor& qkv, const AttentionShape& shape,
                       const ChunkTable& table, std::int64_t length, const KeySpans& spans,
                       const core::Tensor& out, const core::Tensor& lse) {
  const Heads heads(shape);
  const auto queries = device_table(table, qkv.device());
  const auto keys = device_spans(spans, qkv.device());
  const SpanQueries<T> source = span_queries(*queries, *keys, heads, qkv.data<T>(), length);
  launch_attend<T, T>(source, grid_of(source, *queries), heads, qkv.data<T>(), out.data<T>(),
                      lse.data<Accumulator<T>>());
}

template <typename T>
void general_unfolding_backward(const core::Tensor& dout, const core::Tensor& qkv,
                                const core::Tensor& out, const core::Tensor& lse,
                                const AttentionShape& shape, const ChunkTable& table,
                                std::int64_t length, const KeySpans& spans,
                                const core::Tensor& dqkv) {
  using A = Accumulator<T>;
  const Heads heads(shape);
  const core::Device device = qkv.device();
  const auto queries = device_table(table, device);
  const auto keys = device_spans(spans, device);
  const std::int64_t rows = qkv.dim(0) / length;
  const auto visits = device_visits(spans, table, rows, length, shape.kv_heads, device);
  const core::Tensor delta = core::Tensor::empty(lse.shape(), lse.dtype(), device);
  launch_row_products<T>(heads, qkv.dim(0), out.data<T>(), dout.data<T>(), delta.data<A>());
  const BackwardOperands<T> in{qkv.data<T>(), dout.data<T>(), lse.data<A>(), delta.data<A>()};
  const SpanQueries<T> source = span_queries(*queries, *keys, heads, qkv.data<T>(), length);
  launch_backward_queries<T, A>(source, grid_of(source, *queries), heads, in, dqkv.data<A>());
  const SpanKeys owners{queries->view.suffix,
                        visits->offsets.data<std::int32_t>(),
                        uploaded<SpanVisit>(visits->visits),
                        heads,
                        static_cast<int>(length),
                        visits->tiles};
  const dim3 grid(grid_extent(rows * visits->tiles), grid_extent(heads.kv_heads));
  launch_backward_keys<T, A, true>(owners, grid, heads, in, dqkv.data<A>());
}

#define UNFOLD_INSTANTIATE_UNFOLDING(T)                                                 \
  template void general_unfolding<T>(const core::Tensor&, const AttentionShape&,        \
                                     const ChunkTable&, std::int64_t, const KeySpans&,  \
                                     const core::Tensor&, const core::Tensor&);         \
  template void general_unfolding_backward<T>(const core::Tensor&, const core::Tensor&, \
                                              const core::Tensor&, const core::Tensor&, \
                                              const AttentionShape&, const ChunkTable&, \
                                              std::int64_t, const KeySpans&, const core::Tensor&)

}  // namespace unfold::gsa::kernels::cuda
