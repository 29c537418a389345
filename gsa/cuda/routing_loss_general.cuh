// The definition behind gsa/cuda/routing_loss_general.h, for the files that instantiate it.
#pragma once

#include <algorithm>

#include "gsa/cuda/general.cuh"
#include "gsa/cuda/routing_loss.cuh"
#include "gsa/cuda/routing_loss_general.h"

namespace unfold::gsa::kernels::cuda {

// Bytes of targets that are in memory at a time: queries come in batches.
inline constexpr std::int64_t kRoutingBytes = 64 << 20;

// The sum of all terms, in a fixed order: one warp.
template <typename A>
__global__ void __launch_bounds__(kWarp)
    sum_losses(const double* losses, std::int64_t count, A* loss) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kWarp) sum += losses[i];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) *loss = static_cast<A>(sum);
}

template <typename T>
void general_routing_loss(const core::Tensor& qkv, const AttentionShape& shape,
                          const ChunkTable& table, std::int64_t length, const core::Tensor& loss,
                          const core::Tensor& dqkv) {
  using A = Accumulator<T>;
  using core::Tensor;
  const Heads heads(shape);
  const core::Device device = qkv.device();
  const auto on_device = device_table(table, device);
  const auto queries = static_cast<std::int64_t>(table.suffix.size());
  const std::int64_t levels = on_device->view.levels;
  const std::int64_t most_chunks = std::max<std::int64_t>(1, on_device->most_chunks);
  const std::int64_t bytes_of_query =
      shape.kv_heads * most_chunks * static_cast<std::int64_t>(sizeof(A));
  const std::int64_t batch = std::clamp<std::int64_t>(kRoutingBytes / bytes_of_query, 1, queries);
  const auto scratch = [&](std::int64_t a, std::int64_t b) {
    return Tensor::empty({batch * a * b}, core::dtype_of<A>, device);
  };
  const Tensor targets = scratch(shape.kv_heads, most_chunks);
  const Tensor mass = scratch(levels, shape.kv_heads);
  const Tensor lse = scratch(levels, shape.heads);
  const Tensor losses = Tensor::empty({queries * shape.kv_heads}, core::DType::float64, device);
  RoutingArguments<T> arguments{on_device->view,
                                heads,
                                qkv.data<T>(),
                                static_cast<int>(length),
                                0,
                                0,
                                most_chunks,
                                targets.data<A>(),
                                mass.data<A>(),
                                lse.data<A>(),
                                losses.data<double>(),
                                dqkv.defined() ? dqkv.data<A>() : nullptr};
  on_width(heads.width, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr std::size_t kBytes = tile_bytes<A, kChunks>(1);
    allow_shared_memory(route_queries<T, kChunks>, kBytes);
    allow_shared_memory(route_gists<T, kChunks>, kBytes);
    for (std::int64_t first = 0; first < queries; first += batch) {
      arguments.first = static_cast<int>(first);
      arguments.last = static_cast<int>(std::min(queries, first + batch));
      const dim3 grid(grid_extent(arguments.last - arguments.first), grid_extent(heads.kv_heads));
      route_queries<T, kChunks><<<grid, kTileThreads, kBytes, stream()>>>(arguments);
      check_launch("routing_loss");
      if (arguments.dqkv == nullptr || on_device->gist_tile_count == 0) continue;
      const dim3 tiles(grid_extent(on_device->gist_tile_count), grid_extent(heads.kv_heads));
      route_gists<T, kChunks><<<tiles, kTileThreads, kBytes, stream()>>>(
          arguments, uploaded<GistTile>(on_device->gist_tiles));
      check_launch("routing_loss of gists");
    }
  });
  sum_losses<A><<<1, kWarp, 0, stream()>>>(losses.data<double>(), losses.size(), loss.data<A>());
  check_launch("sum_losses");
}

}  // namespace unfold::gsa::kernels::cuda
