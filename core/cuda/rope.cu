#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

// The work of a row: V pairs of one head each, then V elements of what is only copied. y may be x:
// a thread reads its elements before it writes them, and no other reads them.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(const T* x, const std::int32_t* positions, const Accumulator<T>* table,
                std::int64_t rotated, std::int64_t head, Accumulator<T> direction, T* y,
                std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  const std::int64_t half = head / 2;
  const int packs_per_half = static_cast<int>(half / V);
  const std::int64_t turned = rotated * packs_per_half;
  const std::int64_t copied = x == y ? 0 : (width - rotated * head) / V;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const T* in = x + row * width;
    T* out = y + row * width;
    const A* cosines = table + positions[row] * head;
    for (std::int64_t item = first_column(); item < turned + copied; item += column_step()) {
      if (item >= turned) {
        const std::int64_t at = rotated * head + (item - turned) * V;
        store<V, true>(out + at, load<V, true>(in + at));
        continue;
      }
      const int which = static_cast<int>(item) / packs_per_half;
      const int pair = (static_cast<int>(item) - which * packs_per_half) * V;
      const std::int64_t at = which * head + pair;
      auto first = load<V, true>(in + at);
      auto second = load<V, true>(in + at + half);
      const auto cosine = load<V, true>(cosines + pair);
      const auto sine = load<V, true>(cosines + half + pair);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A a = widen(first[j]);
        const A b = widen(second[j]);
        const A s = direction * sine[j];
        first[j] = narrow<T>(a * cosine[j] - b * s);
        second[j] = narrow<T>(b * cosine[j] + a * s);
      }
      store<V, true>(out + at, first);
      store<V, true>(out + at + half, second);
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
  const RowGrid threads(context, rows, rotated * (head / 2 / V) + (width - rotated * head) / V);
  launch(context, "rope", rope_kernel<T, V>, threads.grid, threads.block, x.data<T>(),
         positions.data<std::int32_t>(), table.data<A>(), rotated, head, inverse ? A(-1) : A(1),
         y.data<T>(), rows, width);
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
