#include "core/cuda/sums.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

// SmoothL1(d) = d^2 / 2 for |d| < 1, else |d| - 1/2: both are m (|d| - m / 2) with m = min(|d|, 1).
// A NaN stays one.
template <typename T, bool kAligned, int kGroup>
__global__ void __launch_bounds__(kGroup < 128 ? 128 : kGroup)
    smooth_l1_kernel(const T* x, const T* target, Accumulator<T>* losses, std::int64_t rows,
                     std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const std::int64_t at = row * width;
    A total = 0;
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto values = load<V, kAligned>(x + at + i, width - i);
      const auto goals = load<V, kAligned>(target + at + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A difference = widen(values[j]) - widen(goals[j]);
        const A distance = difference < A(0) ? -difference : difference;
        const A least = distance > A(1) ? A(1) : distance;
        total += least * (distance - A(0.5) * least);
      }
    }
    total = group_sum<kGroup>(total);
    if (threadIdx.x == 0) losses[row] = total;
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    smooth_l1_backward_kernel(const Accumulator<T>* dlosses, const T* x, const T* target, T* dx,
                              std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const std::int64_t at = row * width;
    const A dloss = dlosses[row];
    for (std::int64_t i = first_column() * V; i < width; i += column_step() * V) {
      const auto values = load<V, kAligned>(x + at + i, width - i);
      const auto goals = load<V, kAligned>(target + at + i, width - i);
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A difference = widen(values[j]) - widen(goals[j]);
        const A low = difference < A(-1) ? A(-1) : difference;
        out[j] = narrow<T>(dloss * (low > A(1) ? A(1) : low));
      }
      store<V, kAligned>(dx + at + i, out, width - i);
    }
  }
}

}  // namespace

void smooth_l1(const Tensor& x, const Tensor& target, const Tensor& losses) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    if (rows == 0) return;
    const Context& context = context_of(x);
    on_bool(rows_are_aligned({&x, &target}, kPack<T>, rows, width), [&](auto aligned) {
      on_row_groups(
          context, rows, divide_up(width, kPack<T>), [&](auto group, dim3 grid, dim3 block) {
            launch(context, "smooth_l1",
                   smooth_l1_kernel<T, decltype(aligned)::value, decltype(group)::value>, grid,
                   block, x.data<T>(), target.data<T>(), losses.data<A>(), rows, width);
          });
    });
  });
}

void smooth_l1_backward(const Tensor& dlosses, const Tensor& x, const Tensor& target,
                        const Tensor& dx) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    if (x.size() == 0) return;
    const Context& context = context_of(x);
    const RowGrid threads(context, rows, divide_up(width, kPack<T>));
    on_bool(rows_are_aligned({&x, &target, &dx}, kPack<T>, rows, width), [&](auto aligned) {
      launch(context, "smooth_l1_backward", smooth_l1_backward_kernel<T, aligned()>, threads.grid,
             threads.block, dlosses.data<A>(), x.data<T>(), target.data<T>(), dx.data<T>(), rows,
             width);
    });
  });
}

}  // namespace unfold::core::kernels::cuda
