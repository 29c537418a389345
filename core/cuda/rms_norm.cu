#include <cmath>

#include "core/cuda/sums.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

template <typename T, bool kAligned, int kGroup>
__global__ void __launch_bounds__(kGroup < 128 ? 128 : kGroup)
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
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        out[j] = narrow<T>(widen(values[j]) * inverse * widen(weights[j]));
      }
      store<V, kAligned>(y + row * width + i, out, width - i);
    }
  }
}

// dx = inverse * (g - h * mean(g * h)) with h = x * inverse and g = dy * weight. dx may be dy or x.
template <typename T, bool kAligned, int kGroup>
__global__ void __launch_bounds__(kGroup < 128 ? 128 : kGroup)
    rms_norm_dx_kernel(const T* dy, const T* x, const T* weight, const Accumulator<T>* inverse_rms,
                       T* dx, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const std::int64_t at = row * width;
    A dot = 0;
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto gradients = load<V, kAligned>(dy + at + i, width - i);
      const auto values = load<V, kAligned>(x + at + i, width - i);
      const auto weights = load<V, kAligned>(weight + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        dot += widen(gradients[j]) * widen(weights[j]) * widen(values[j]);
      }
    }
    dot = group_sum<kGroup>(dot);
    const A inverse = inverse_rms[row];
    const A mean = dot * inverse / static_cast<A>(width);
    for (std::int64_t i = threadIdx.x * V; i < width; i += kGroup * V) {
      const auto gradients = load<V, kAligned>(dy + at + i, width - i);
      const auto values = load<V, kAligned>(x + at + i, width - i);
      const auto weights = load<V, kAligned>(weight + i, width - i);
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        out[j] = narrow<T>(inverse * (widen(gradients[j]) * widen(weights[j]) -
                                      widen(values[j]) * (inverse * mean)));
      }
      store<V, kAligned>(dx + at + i, out, width - i);
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
    on_bool(rows_are_aligned({&x, &weight, &y}, kPack<T>, rows, width), [&](auto aligned) {
      on_row_groups(context, rows, divide_up(width, kPack<T>),
                    [&](auto group, dim3 grid, dim3 block) {
                      launch(context, "rms_norm",
                             rms_norm_kernel<T, decltype(aligned)::value, decltype(group)::value>,
                             grid, block, x.data<T>(), weight.data<T>(), static_cast<A>(eps),
                             y.data<T>(), inverse_rms.data<A>(), rows, width);
                    });
    });
  });
}

void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                       const Tensor& inverse_rms, const Tensor& dx, const Tensor& dweight) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    if (rows == 0) return;
    const Context& context = context_of(x);
    const A* inverse = inverse_rms.data<A>();
    // The weight first: dx may be written over dy.
    on_bool(rows_are_aligned({&dy, &x}, kPack<T>, rows, width), [&](auto aligned) {
      add_column_sums_of<kPack<T>>(
          context, "rms_norm_backward",
          WeightGradients<T, aligned()>{dy.data<T>(), x.data<T>(), inverse, width}, rows, width,
          dweight.data<A>());
    });
    on_bool(rows_are_aligned({&dy, &x, &weight, &dx}, kPack<T>, rows, width), [&](auto aligned) {
      on_row_groups(
          context, rows, divide_up(width, kPack<T>), [&](auto group, dim3 grid, dim3 block) {
            launch(context, "rms_norm_backward",
                   rms_norm_dx_kernel<T, decltype(aligned)::value, decltype(group)::value>, grid,
                   block, dy.data<T>(), x.data<T>(), weight.data<T>(), inverse, dx.data<T>(), rows,
                   width);
          });
    });
  });
}

}  // namespace unfold::core::kernels::cuda
