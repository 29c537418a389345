// Launches of the general kernels, for any dtype and any head width up to 256.
#pragma once

#include "gsa/cuda/attend_backward.cuh"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {

// Calls f(std::integral_constant<int, chunks>{}) with the tile width that holds a head.
template <typename F>
void on_width(int width, F&& f) {
  core::require(width > 0 && width <= kMaxWidth, "cuda",
                "a head width of {}: the CUDA kernels take up to {}", width, kMaxWidth);
  if (width <= 64) {
    f(std::integral_constant<int, 2>{});
  } else if (width <= 128) {
    f(std::integral_constant<int, 4>{});
  } else {
    f(std::integral_constant<int, 8>{});
  }
}

template <typename T, typename Out, typename Source>
void launch_attend(const Source& source, dim3 grid, const Heads& heads, const T* qkv, Out* out,
                   Accumulator<T>* lse) {
  if (grid.x == 0 || grid.y == 0) return;
  on_width(heads.width, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr std::size_t kBytes = tile_bytes<Accumulator<T>, kChunks>(1);
    allow_shared_memory(attend<T, Out, kChunks, Source>, kBytes);
    attend<T, Out, kChunks><<<grid, kTileThreads, kBytes, stream()>>>(source, heads, qkv, out, lse);
    check_launch("attend");
  });
}

// delta (tokens, heads) of every token.
template <typename T>
void launch_row_products(const Heads& heads, std::int64_t tokens, const T* out, const T* dout,
                         Accumulator<T>* delta) {
  const std::int64_t count = tokens * heads.heads;
  if (count == 0) return;
  row_products<T><<<grid_extent(blocks_of(count, kTileWarps)), kTileThreads, 0, stream()>>>(
      out, dout, heads.width, count, delta);
  check_launch("row_products");
}

template <typename T, typename G, typename Source>
void launch_backward_queries(const Source& source, dim3 grid, const Heads& heads,
                             const BackwardOperands<T>& in, G* dqkv) {
  if (grid.x == 0 || grid.y == 0) return;
  on_width(heads.width, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr std::size_t kBytes = tile_bytes<Accumulator<T>, kChunks>(2);
    allow_shared_memory(attend_backward_queries<T, G, kChunks, Source>, kBytes);
    attend_backward_queries<T, G, kChunks>
        <<<grid, kTileThreads, kBytes, stream()>>>(source, heads, in, dqkv);
    check_launch("attend_backward_queries");
  });
}

template <typename T, typename G, bool kAdd, typename Source>
void launch_backward_keys(const Source& source, dim3 grid, const Heads& heads,
                          const BackwardOperands<T>& in, G* dqkv) {
  if (grid.x == 0 || grid.y == 0) return;
  on_width(heads.width, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr std::size_t kBytes = tile_bytes<Accumulator<T>, kChunks>(2);
    allow_shared_memory(attend_backward_keys<T, G, kAdd, kChunks, Source>, kBytes);
    attend_backward_keys<T, G, kAdd, kChunks>
        <<<grid, kTileThreads, kBytes, stream()>>>(source, heads, in, dqkv);
    check_launch("attend_backward_keys");
  });
}

}  // namespace unfold::gsa::kernels::cuda
