#include <algorithm>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int kHeads = 4;  // heads a thread turns by the same angles, all of them in flight

// Threads x: packs of V pairs of a half head; y: groups of kHeads heads; z: rows. So a thread reads
// its angles once, the threads of a row read whole heads, and nothing is divided. What is only
// copied is shared by the threads of a row. y may be x: a thread reads its elements before it
// writes them, and no other reads them.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads, 2)
    rope_kernel(const T* x, const std::int32_t* positions, const Accumulator<T>* table, int rotated,
                int head, Accumulator<T> direction, T* y, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  const int half = head / 2;
  const auto step = static_cast<std::int64_t>(gridDim.x) * blockDim.z;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.z + threadIdx.z;
       row < rows; row += step) {
    const T* in = x + row * width;
    T* out = y + row * width;
    const A* angles = table + static_cast<std::int64_t>(positions[row]) * head;
    for (int pair = static_cast<int>(threadIdx.x) * V; pair < half;
         pair += static_cast<int>(blockDim.x) * V) {
      for (int group = static_cast<int>(threadIdx.y) * kHeads; group < rotated;
           group += static_cast<int>(blockDim.y) * kHeads) {
        const int count = rotated - group < kHeads ? rotated - group : kHeads;
        Pack<T, V> first[kHeads];
        Pack<T, V> second[kHeads];
#pragma unroll
        for (int h = 0; h < kHeads; ++h) {
          if (h >= count) continue;
          const T* from = in + (group + h) * head + pair;
          first[h] = load<V, true>(from);
          second[h] = load<V, true>(from + half);
        }
        // Behind the heads, which wait for no position.
        const auto cosine = load<V, true>(angles + pair);
        auto sine = load<V, true>(angles + half + pair);
#pragma unroll
        for (int j = 0; j < V; ++j) sine[j] *= direction;
#pragma unroll
        for (int h = 0; h < kHeads; ++h) {
          if (h >= count) continue;
#pragma unroll
          for (int j = 0; j < V; ++j) {
            const A a = widen(first[h][j]);
            const A b = widen(second[h][j]);
            first[h][j] = narrow<T>(a * cosine[j] - b * sine[j]);
            second[h][j] = narrow<T>(b * cosine[j] + a * sine[j]);
          }
          T* to = out + (group + h) * head + pair;
          store<V, true>(to, first[h]);
          store<V, true>(to + half, second[h]);
        }
      }
    }
    if (in == out) continue;
    const std::int64_t across = static_cast<std::int64_t>(blockDim.x) * blockDim.y * V;
    for (std::int64_t at = static_cast<std::int64_t>(rotated) * head +
                           (threadIdx.y * blockDim.x + threadIdx.x) * V;
         at < width; at += across) {
      store<V, true>(out + at, load<V, true>(in + at));
    }
  }
}

template <typename T, int V>
void run(const Tensor& x, const Tensor& positions, const Tensor& table, std::int64_t rotated,
         bool inverse, const Tensor& y) {
  using A = Accumulator<T>;
  const Context& context = context_of(x);
  const std::int64_t rows = x.dim(0);
  const std::int64_t width = x.dim(1);
  const std::int64_t head = table.dim(1);
  const std::int64_t packs = std::clamp<std::int64_t>(head / 2 / V, 1, 64);
  const std::int64_t groups =
      rotated > 0 ? std::clamp<std::int64_t>(divide_up(rotated, kHeads), 1, kThreads / packs)
                  : kThreads / packs;  // nothing to turn: they share the copy
  const std::int64_t rows_at_once = std::clamp<std::int64_t>(kThreads / (packs * groups), 1, 64);
  const dim3 block(static_cast<unsigned>(packs), static_cast<unsigned>(groups),
                   static_cast<unsigned>(rows_at_once));
  launch(context, "rope", rope_kernel<T, V>, grid_for(context, rows, rows_at_once), block,
         x.data<T>(), positions.data<std::int32_t>(), table.data<A>(), static_cast<int>(rotated),
         static_cast<int>(head), inverse ? A(-1) : A(1), y.data<T>(), rows, width);
}

}  // namespace

void rope(const Tensor& x, const Tensor& positions, const Tensor& table, std::int64_t rotated,
          bool inverse, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int V = kPack<T>;
    if (x.size() == 0) return;
    // Half heads that are whole packs make everything whole packs, but for where tensors begin and
    // the width of what is not heads.
    if (table.dim(1) / 2 % V == 0 && x.dim(1) % V == 0 && are_aligned({&x, &y, &table}, V)) {
      run<T, V>(x, positions, table, rotated, inverse, y);
    } else {
      run<T, 1>(x, positions, table, rotated, inverse, y);
    }
  });
}

}  // namespace unfold::core::kernels::cuda
