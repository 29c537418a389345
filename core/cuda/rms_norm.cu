#include <cmath>

#include "core/cuda/sums.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int threads_of(int group) {
  return group < 128 ? 128 : group;
}

template <typename T, int V>
__device__ inline Pack<T, V> normalised(const Pack<T, V>& values, Accumulator<T> inverse,
                                        const Pack<T, V>& weights) {
  Pack<T, V> out;
#pragma unroll
  for (int j = 0; j < V; ++j) out[j] = narrow<T>(widen(values[j]) * inverse * widen(weights[j]));
  return out;
}

// Any rows: those too long for registers, and those not aligned.
template <typename T, bool kAligned, int kGroup>
__global__ void __launch_bounds__(threads_of(kGroup))
    rms_norm_kernel(const T* x, const T* weight, Accumulator<T> eps, T* y,
                    Accumulator<T>* inverse_rms, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const T* in = x + row * width;
    A squares = 0;
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto values = load<V, kAligned>(in + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) squares += widen(values[j]) * widen(values[j]);
    }
    squares = group_sum<kGroup>(squares);
    const A inverse = A(1) / square_root(squares / static_cast<A>(width) + eps);
    if (threadIdx.x == 0) inverse_rms[row] = inverse;
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto values = load<V, kAligned>(in + i, width - i);
      const auto weights = load<V, kAligned>(weight + i, width - i);
      store<V, kAligned>(y + row * width + i, normalised<T, V>(values, inverse, weights),
                         width - i);
    }
  }
}

// Rows in registers: read once, all of a row in flight.
template <typename T, int kGroup, int kPacks>
__global__ void __launch_bounds__(threads_of(kGroup))
    rms_norm_held_kernel(const T* x, const T* weight, Accumulator<T> eps, T* y,
                         Accumulator<T>* inverse_rms, std::int64_t rows, int width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  const int first = static_cast<int>(threadIdx.x) * V;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    Pack<T, V> values[kPacks];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = first + p * kGroup * V;
      values[p] = load<V, true>(x + row * width + i, width - i);
    }
    A squares = 0;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int j = 0; j < V; ++j) squares += widen(values[p][j]) * widen(values[p][j]);
    }
    squares = group_sum<kGroup>(squares);
    const A inverse = A(1) / square_root(squares / static_cast<A>(width) + eps);
    if (threadIdx.x == 0) inverse_rms[row] = inverse;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = first + p * kGroup * V;
      if (i >= width) break;
      const auto weights = load<V, true>(weight + i);
      store<V, true>(y + row * width + i, normalised<T, V>(values[p], inverse, weights));
    }
  }
}

// What the backward reads and writes. With h = x * inverse and g = dy * weight:
//   dx = (dx +) inverse * (g - h * mean(g * h)),   dweight = the sum over rows of dy * h,
//   y = h * weight unless null.
// dx and y may be dy or x.
template <typename T>
struct Backward {
  const T* dy;
  const T* x;
  const T* weight;
  const Accumulator<T>* inverse_rms;
  T* dx;
  bool add_to_dx;
  T* y;
  std::int64_t rows;
  std::int64_t width;

  // What of dx, and what is written of y, for one pack.
  template <int V>
  __device__ Pack<T, V> gradient(const Pack<T, V>& gradients, const Pack<T, V>& values,
                                 const Pack<T, V>& weights, const Pack<T, V>& before,
                                 Accumulator<T> inverse, Accumulator<T> mean) const {
    using A = Accumulator<T>;
    Pack<T, V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const A change =
          inverse * (widen(gradients[j]) * widen(weights[j]) - widen(values[j]) * (inverse * mean));
      out[j] = narrow<T>(add_to_dx ? widen(before[j]) + change : change);
    }
    return out;
  }
};

// Rows in registers: dy and x are read once, for dx, y and the weight's gradient. A block leaves
// the sums over its rows in partial (blocks, width): which rows those are depends on the grid, so
// the grid is a function of the shape alone.
template <typename T, int kGroup, int kPacks>
__global__ void __launch_bounds__(threads_of(kGroup))
    rms_norm_backward_kernel(Backward<T> args, Accumulator<T>* partial) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  constexpr int kRows = threads_of(kGroup) / kGroup;  // at once
  const int width = static_cast<int>(args.width);
  const int first = static_cast<int>(threadIdx.x) * V;
  A dweight[kPacks][V] = {};
  for (std::int64_t row = first_row(); row < args.rows; row += row_step()) {
    const std::int64_t at = row * args.width + first;
    Pack<T, V> gradients[kPacks];
    Pack<T, V> values[kPacks];
    Pack<T, V> before[kPacks];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = p * kGroup * V;
      gradients[p] = load<V, true>(args.dy + at + i, width - first - i);
      values[p] = load<V, true>(args.x + at + i, width - first - i);
    }
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = p * kGroup * V;
      before[p] = Pack<T, V>();
      if (args.add_to_dx) before[p] = load<V, true>(args.dx + at + i, width - first - i);
    }
    const A inverse = args.inverse_rms[row];
    A dot = 0;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = first + p * kGroup * V;
      const auto weights = load<V, true>(args.weight + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A product = widen(gradients[p][j]) * widen(values[p][j]);
        dot += product * widen(weights[j]);
        dweight[p][j] += product * inverse;
      }
    }
    dot = group_sum<kGroup>(dot);
    const A mean = dot * inverse / static_cast<A>(width);
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = p * kGroup * V;
      if (first + i >= width) break;
      const auto weights = load<V, true>(args.weight + first + i);
      store<V, true>(args.dx + at + i, args.template gradient<V>(gradients[p], values[p], weights,
                                                                 before[p], inverse, mean));
      if (args.y != nullptr) {
        store<V, true>(args.y + at + i, normalised<T, V>(values[p], inverse, weights));
      }
    }
  }
  A* const out = partial + blockIdx.x * args.width;
  if constexpr (kRows == 1) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int i = first + p * kGroup * V;
      if (i >= width) break;
#pragma unroll
      for (int j = 0; j < V; ++j) out[i + j] = dweight[p][j];
    }
  } else {
    __shared__ A shared[kRows][kPacks * kGroup * V];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int j = 0; j < V; ++j) shared[threadIdx.y][first + p * kGroup * V + j] = dweight[p][j];
    }
    __syncthreads();
    const int thread = static_cast<int>(threadIdx.y) * kGroup + static_cast<int>(threadIdx.x);
    for (int i = thread; i < width; i += kRows * kGroup) {
      A sum = shared[0][i];
#pragma unroll
      for (int group = 1; group < kRows; ++group) sum += shared[group][i];
      out[i] = sum;
    }
  }
}

// Any rows: those too long for registers, and those not aligned. Without the weight's gradient.
template <typename T, bool kAligned, int kGroup>
__global__ void __launch_bounds__(threads_of(kGroup)) rms_norm_dx_kernel(Backward<T> args) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  const std::int64_t width = args.width;
  for (std::int64_t row = first_row(); row < args.rows; row += row_step()) {
    const std::int64_t at = row * width;
    A dot = 0;
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto gradients = load<V, kAligned>(args.dy + at + i, width - i);
      const auto values = load<V, kAligned>(args.x + at + i, width - i);
      const auto weights = load<V, kAligned>(args.weight + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        dot += widen(gradients[j]) * widen(weights[j]) * widen(values[j]);
      }
    }
    dot = group_sum<kGroup>(dot);
    const A inverse = args.inverse_rms[row];
    const A mean = dot * inverse / static_cast<A>(width);
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto gradients = load<V, kAligned>(args.dy + at + i, width - i);
      const auto values = load<V, kAligned>(args.x + at + i, width - i);
      const auto weights = load<V, kAligned>(args.weight + i, width - i);
      auto before = Pack<T, V>();
      if (args.add_to_dx) before = load<V, kAligned>(args.dx + at + i, width - i);
      store<V, kAligned>(
          args.dx + at + i,
          args.template gradient<V>(gradients, values, weights, before, inverse, mean), width - i);
      if (args.y != nullptr) {
        store<V, kAligned>(args.y + at + i, normalised<T, V>(values, inverse, weights), width - i);
      }
    }
  }
}

// dy * x * inverse: summed over rows, the gradient of the weight.
template <typename T, bool kAligned>
struct WeightGradients {
  const T* dy;
  const T* x;
  const Accumulator<T>* inverse_rms;
  std::int64_t width;

  template <int V, typename A>
  __device__ void add(std::int64_t row, std::int64_t column, std::int64_t count,
                      A (&total)[V]) const {
    const auto gradients = load<V, kAligned>(dy + row * width + column, count);
    const auto values = load<V, kAligned>(x + row * width + column, count);
    const A inverse = inverse_rms[row];
#pragma unroll
    for (int i = 0; i < V; ++i) total[i] += widen(gradients[i]) * widen(values[i]) * inverse;
  }
};

// Blocks that sum `rows` rows, `at_once` of them at a time: four a processor of an H100, which is
// what runs together, and no more than give each some rows to sum.
std::int64_t blocks_for(std::int64_t rows, std::int64_t at_once) {
  constexpr std::int64_t kMost = 4 * 132;
  return std::clamp<std::int64_t>(divide_up(rows, 4 * at_once), 1, kMost);
}

// False when rows are too long for it: nothing was done.
template <typename T>
bool backward_in_registers(const Context& context, const Backward<T>& args, const Tensor& dweight) {
  using A = Accumulator<T>;
  return on_held_rows(divide_up(args.width, kPack<T>), [&](auto group, auto packs, dim3 block) {
    const std::int64_t blocks = blocks_for(args.rows, block.y);
    const Tensor partial = Tensor::empty({blocks, args.width}, dweight.dtype(), dweight.device());
    launch(context, "rms_norm_backward",
           rms_norm_backward_kernel<T, decltype(group)::value, decltype(packs)::value>,
           dim3(static_cast<unsigned>(blocks)), block, args, partial.data<A>());
    add_partial_sums(context, "rms_norm_backward", partial, dweight.data<A>());
  });
}

template <typename T>
void backward_in_passes(const Context& context, const Backward<T>& args, bool aligned,
                        const Tensor& dweight) {
  using A = Accumulator<T>;
  on_bool(aligned, [&](auto is_aligned) {
    // The weight first: dx and y may be written over dy.
    add_column_sums_of<kPack<T>>(
        context, "rms_norm_backward",
        WeightGradients<T, is_aligned()>{args.dy, args.x, args.inverse_rms, args.width}, args.rows,
        args.width, dweight.data<A>());
    on_row_groups(context, args.rows, divide_up(args.width, kPack<T>),
                  [&](auto group, dim3 grid, dim3 block) {
                    launch(
                        context, "rms_norm_backward",
                        rms_norm_dx_kernel<T, decltype(is_aligned)::value, decltype(group)::value>,
                        grid, block, args);
                  });
  });
}

}  // namespace

void rms_norm(const Tensor& x, const Tensor& weight, double eps, const Tensor& y,
              const Tensor& inverse_rms) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    if (rows == 0) return;
    const Context& context = context_of(x);
    const std::int64_t packs = divide_up(width, kPack<T>);
    const bool aligned = rows_are_aligned({&x, &weight, &y}, kPack<T>, rows, width);
    const auto hold = [&](auto group, auto held, dim3 block) {
      launch(context, "rms_norm",
             rms_norm_held_kernel<T, decltype(group)::value, decltype(held)::value>,
             grid_for(context, rows, block.y), block, x.data<T>(), weight.data<T>(),
             static_cast<A>(eps), y.data<T>(), inverse_rms.data<A>(), rows,
             static_cast<int>(width));
    };
    if (aligned && width % kPack<T> == 0 && on_held_rows(packs, hold)) return;
    on_bool(aligned, [&](auto is_aligned) {
      on_row_groups(context, rows, packs, [&](auto group, dim3 grid, dim3 block) {
        launch(context, "rms_norm",
               rms_norm_kernel<T, decltype(is_aligned)::value, decltype(group)::value>, grid, block,
               x.data<T>(), weight.data<T>(), static_cast<A>(eps), y.data<T>(),
               inverse_rms.data<A>(), rows, width);
      });
    });
  });
}

void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                       const Tensor& inverse_rms, const Tensor& dx, bool add_to_dx,
                       const Tensor& dweight, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    if (rows == 0 || width == 0) return;
    const Context& context = context_of(x);
    const Backward<T> args = {dy.data<T>(),
                              x.data<T>(),
                              weight.data<T>(),
                              inverse_rms.data<A>(),
                              dx.data<T>(),
                              add_to_dx,
                              y.defined() ? y.data<T>() : nullptr,
                              rows,
                              width};
    const Tensor& any = y.defined() ? y : dx;
    const bool aligned = rows_are_aligned({&dy, &x, &weight, &dx, &any}, kPack<T>, rows, width);
    if (aligned && width % kPack<T> == 0 && backward_in_registers(context, args, dweight)) return;
    backward_in_passes(context, args, aligned, dweight);
  });
}

}  // namespace unfold::core::kernels::cuda
