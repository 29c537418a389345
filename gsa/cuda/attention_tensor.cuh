// The definitions behind gsa/cuda/attention_tensor.h, for the files that instantiate them.
#pragma once

#include <algorithm>

#include "gsa/cuda/attend_tensor.cuh"
#include "gsa/cuda/attend_tensor_keys.cuh"
#include "gsa/cuda/attend_tensor_queries.cuh"
#include "gsa/cuda/attention_tensor.h"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {

// Bytes of float32 sums that items of divided tiles of keys may leave at a time; more only where
// one key/value head alone leaves more.
inline constexpr std::int64_t kPartBytes = std::int64_t{256} << 20;

// Blocks of `rows` query rows that a full tile needs for a key/value head.
inline int parts_of(const MapView& map, const Heads& heads, int rows) {
  return static_cast<int>(
      blocks_of(static_cast<std::int64_t>(map.most_queries) * heads.group, rows));
}

template <typename Products, int kWidth, int kGroups>
void launch_attend_tensor(const MapView& map, const Heads& heads, const core::bfloat16* qkv,
                          core::bfloat16* out, float* lse) {
  constexpr std::size_t kBytes = tensor_attend_bytes<kWidth, kGroups>();
  const int parts = parts_of(map, heads, kGroups * kGroupRows);
  const unsigned blocks =
      grid_extent(static_cast<std::int64_t>(map.tiles) * heads.kv_heads * parts);
  if (blocks == 0) return;
  allow_shared_memory(attend_tensor<Products, kWidth, kGroups>, kBytes);
  attend_tensor<Products, kWidth, kGroups>
      <<<blocks, kGroups * kGroupThreads, kBytes, stream()>>>(map, heads, parts, qkv, out, lse);
  check_launch("attention on tensor cores");
}

template <int kWidth, typename Products>
void tensor_attention(const core::Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                      const core::Tensor& out, const core::Tensor& lse) {
  using T = core::bfloat16;
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const MapView& view = on_device->view;
  if constexpr (Products::kShareKeys) {
    // Unless the second warpgroup would have little to do.
    const int parts = parts_of(view, heads, kGroupRows);
    if (parts % 2 == 0 || parts > 4) {
      launch_attend_tensor<Products, kWidth, 2>(view, heads, qkv.data<T>(), out.data<T>(),
                                                lse.data<float>());
      return;
    }
  }
  launch_attend_tensor<Products, kWidth, 1>(view, heads, qkv.data<T>(), out.data<T>(),
                                            lse.data<float>());
}

// dK and dV, as many heads at a time as there is room for the parts of.
template <typename Products, int kWidth>
void launch_tensor_keys(const MapView& map, const Heads& heads, const TensorOperands& in,
                        const core::Tensor& dqkv) {
  constexpr std::size_t kBytes = tensor_keys_bytes<kWidth>();
  if (map.items == 0) return;
  const std::int64_t head_size = static_cast<std::int64_t>(map.slots) * kPartSize<kWidth>;
  const auto fitting = std::max<std::int64_t>(
      1, kPartBytes / std::max<std::int64_t>(1, head_size * static_cast<int>(sizeof(float))));
  const int heads_at_once = static_cast<int>(std::min<std::int64_t>(heads.kv_heads, fitting));
  const core::Tensor parts =
      core::Tensor::empty({head_size * heads_at_once}, core::DType::float32, dqkv.device());
  allow_shared_memory(attend_tensor_keys<Products, kWidth>, kBytes);
  for (int first = 0; first < heads.kv_heads; first += heads_at_once) {
    const HeadRange range{first, std::min(heads_at_once, heads.kv_heads - first)};
    attend_tensor_keys<Products, kWidth>
        <<<grid_extent(static_cast<std::int64_t>(map.items) * range.count), kGroupThreads, kBytes,
           stream()>>>(map, heads, range, in, parts.data<float>(), dqkv.data<core::bfloat16>());
    check_launch("attention_backward of keys on tensor cores");
    if (map.divided == 0) continue;
    const dim3 grid(grid_extent(static_cast<std::int64_t>(map.divided) * range.count),
                    static_cast<unsigned>(kPartSize<kWidth> / 4 / kAddThreads));
    add_key_parts<kWidth><<<grid, kAddThreads, 0, stream()>>>(
        map, heads, range, parts.data<float>(), dqkv.data<core::bfloat16>());
    check_launch("attention_backward, sums of parts");
  }
}

template <int kWidth, typename Products>
void tensor_attention_backward(const core::Tensor& dout, const core::Tensor& qkv,
                               const core::Tensor& out, const core::Tensor& lse,
                               const AttentionShape& shape, const BlockMap& map,
                               const core::Tensor& dqkv) {
  using T = core::bfloat16;
  const Heads heads(shape);
  const auto on_device = device_map(map, qkv.device());
  const MapView& view = on_device->view;
  const std::int64_t count = qkv.dim(0) * heads.heads;
  if (count == 0) return;
  const core::Tensor facts = core::Tensor::empty({count * 2}, core::DType::float32, lse.device());
  const TensorOperands in{qkv.data<T>(), dout.data<T>(),
                          reinterpret_cast<const QueryFacts*>(facts.data<float>())};
  find_query_facts<kWidth>
      <<<grid_extent(blocks_of(count * (kWidth / kPiece), kFactThreads)), kFactThreads, 0,
         stream()>>>(out.data<T>(), dout.data<T>(), lse.data<float>(), count,
                     reinterpret_cast<QueryFacts*>(facts.data<float>()));
  check_launch("attention_backward, facts of queries");
  const int parts = parts_of(view, heads, kGroupRows);
  const unsigned blocks =
      grid_extent(static_cast<std::int64_t>(view.tiles) * heads.kv_heads * parts);
  if (blocks > 0) {
    constexpr std::size_t kBytes = tensor_queries_bytes<kWidth>();
    allow_shared_memory(attend_tensor_queries<Products, kWidth>, kBytes);
    attend_tensor_queries<Products, kWidth>
        <<<blocks, kGroupThreads, kBytes, stream()>>>(view, heads, parts, in, dqkv.data<T>());
    check_launch("attention_backward of queries on tensor cores");
  }
  launch_tensor_keys<Products, kWidth>(view, heads, in, dqkv);
}

#define UNFOLD_INSTANTIATE_TENSOR_ATTENTION(kWidth, Products)                                  \
  template void tensor_attention<kWidth, Products>(const core::Tensor&, const AttentionShape&, \
                                                   const BlockMap&, const core::Tensor&,       \
                                                   const core::Tensor&);                       \
  template void tensor_attention_backward<kWidth, Products>(                                   \
      const core::Tensor&, const core::Tensor&, const core::Tensor&, const core::Tensor&,      \
      const AttentionShape&, const BlockMap&, const core::Tensor&)

}  // namespace unfold::gsa::kernels::cuda
