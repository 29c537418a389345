// Products of a few rows with a matrix of weights (core/kernels/row_linear.h): the time is that of
// reading the weights, so their reading begins before the kernel before this one has ended.
#pragma once

#include "core/cuda/overlap.cuh"
#include "core/cuda/pack.cuh"
#include "core/cuda/row_linear.h"
#include "core/cuda/sigmoid.cuh"
#include "core/cuda/sums.cuh"

namespace unfold::core::kernels::cuda {

inline constexpr int kRowWarps = 4;
inline constexpr int kRowThreads = kRowWarps * 32;
inline constexpr int kRowBlocks = 4;  // of a processor at once

// A pack of a row of in.inner elements.
template <bool kAligned, typename T>
__device__ inline Pack<T, kPack<T>> load_of_row(const T* row, std::int64_t at, std::int64_t inner) {
  if constexpr (kAligned) return load<kPack<T>, true>(row + at);  // whole packs
  return load<kPack<T>, false>(row + at, inner - at);
}

// The rows, normalised where that is asked for and rounded, to shared memory: `padded` elements
// each, a whole number of packs; zeros behind their ends and in rows that do not exist. All threads
// of the block. Behind wait_for_previous(); `norm`: this thread's packs of the norm's weights, as
// many as were read before it.
template <typename T, int kRows, bool kAligned, int kNorms>
__device__ inline void stage_rows(const RowOperands<T>& in, const Pack<T, kPack<T>> (&norm)[kNorms],
                                  T* staged, std::int64_t padded) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  constexpr std::int64_t kStep = kRowThreads * V;
  for (int row = 0; row < kRows; ++row) {
    const bool there = row < in.rows;
    const T* from = in.x + row * in.x_stride;
    T* to = staged + row * padded;
    A squares = 0;
    for (std::int64_t i = threadIdx.x * V; i < padded; i += kStep) {
      const auto values = there ? load_of_row<kAligned>(from, i, in.inner) : Pack<T, V>{};
#pragma unroll
      for (int j = 0; j < V; ++j) squares += widen(values[j]) * widen(values[j]);
      store<V, true>(to + i, values);
    }
    if (in.norm == nullptr || !there) continue;  // the same for all threads
    squares = group_sum<kRowThreads>(squares);
    const A inverse = A(1) / square_root(squares / static_cast<A>(in.inner) + in.eps);
    std::int64_t i = threadIdx.x * V;  // a thread's own elements
    const auto scale = [&](const Pack<T, V>& weights) {
      auto values = load<V, true>(to + i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        values[j] = narrow<T>(widen(values[j]) * inverse * widen(weights[j]));
      }
      store<V, true>(to + i, values);
    };
#pragma unroll
    for (int n = 0; n < kNorms; ++n, i += kStep) {
      if (i < padded) scale(norm[n]);
    }
    for (; i < padded; i += kStep) scale(load_of_row<kAligned>(in.norm, i, in.inner));
  }
}

// A warp makes one output of all rows at a time, with kGated from two rows of weights. It reads the
// weights once, kAhead packs a lane at a time. The order of a sum is fixed by in.inner alone.
template <typename T, int kRows, bool kGated, int kAhead, bool kAligned>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks) row_linear_kernel(RowOperands<T> in) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  constexpr int kParts = kGated ? 2 : 1;
  constexpr int kNorms = 2;
  extern __shared__ __align__(16) unsigned char shared[];
  T* staged = reinterpret_cast<T*>(shared);
  let_next_start();
  const int packs = static_cast<int>((in.inner + V - 1) / V);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kRowWarps;
  std::int64_t output = static_cast<std::int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / 32;

  Pack<T, V> weights[kParts][kAhead];
  const auto fetch = [&](int base) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const T* row = in.weight + (output + part * in.outputs) * in.weight_stride;
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        const int at = base + a * 32 + lane;
        if (at < packs) {
          weights[part][a] =
              load_of_row<kAligned>(row, static_cast<std::int64_t>(at) * V, in.inner);
        }
      }
    }
  };
  if (output < in.outputs) fetch(0);
  Pack<T, V> norm[kNorms] = {};
  if (in.norm != nullptr) {
#pragma unroll
    for (int n = 0; n < kNorms; ++n) {
      const int at = n * kRowThreads + static_cast<int>(threadIdx.x);
      if (at < packs) {
        norm[n] = load_of_row<kAligned>(in.norm, static_cast<std::int64_t>(at) * V, in.inner);
      }
    }
  }
  wait_for_previous();
  stage_rows<T, kRows, kAligned>(in, norm, staged, static_cast<std::int64_t>(packs) * V);
  __syncthreads();

  // Lane r ends row r: what is added to its output is under way while the products are summed.
  A bias = A(0);
  A residual = A(0);
  const auto fetch_added = [&] {
    if (lane >= in.rows || output >= in.outputs) return;
    if (in.bias != nullptr) bias = widen(in.bias[output]);
    if (in.residual != nullptr) residual = widen(in.residual[lane * in.residual_stride + output]);
  };
  fetch_added();
  A sums[kParts][kRows] = {};
  int base = 0;
  while (output < in.outputs) {
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int at = base + a * 32 + lane;
      if (at >= packs) continue;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const auto values = load<V, true>(staged + (r * packs + at) * V);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
#pragma unroll
          for (int j = 0; j < V; ++j) {
            sums[part][r] += widen(weights[part][a][j]) * widen(values[j]);
          }
        }
      }
    }
    base += kAhead * 32;
    if (base < packs) {
      fetch(base);
      continue;
    }
    const std::int64_t done = output;
    base = 0;
    output += step;
    if (output < in.outputs) fetch(0);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      A sum[kParts];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        sum[part] = warp_sum(sums[part][r]);
        sums[part][r] = A(0);
      }
      if (lane != r || r >= in.rows) continue;
      if constexpr (kGated) {
        // Both are rounded first, as where the gate is a kernel of its own.
        const A gate = widen(narrow<T>(sum[0]));
        sum[0] = gate * sigmoid_of<T>(gate) * widen(narrow<T>(sum[kParts - 1]));
      }
      if (in.bias != nullptr) sum[0] += bias;
      if (in.residual != nullptr) sum[0] += residual;
      in.y[r * in.y_stride + done] = narrow<T>(sum[0]);
    }
    fetch_added();
  }
}

}  // namespace unfold::core::kernels::cuda
