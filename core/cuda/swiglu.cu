#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/cuda/sigmoid.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

template <typename T>
__device__ inline T activated(Accumulator<T> gate, Accumulator<T> up, Accumulator<T> sigmoid) {
  return narrow<T>(gate * sigmoid * up);
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    swiglu_kernel(const T* gate_up, T* y, std::int64_t rows, std::int64_t width) {
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const T* in = gate_up + row * 2 * width;
    for (std::int64_t i = first_column() * V; i < width; i += column_step() * V) {
      const auto gates = load<V, kAligned>(in + i, width - i);
      const auto ups = load<V, kAligned>(in + width + i, width - i);
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const auto gate = widen(gates[j]);
        out[j] = activated<T>(gate, widen(ups[j]), sigmoid_of<T>(gate));
      }
      store<V, kAligned>(y + row * width + i, out, width - i);
    }
  }
}

// silu'(g) = s * (1 + g * (1 - s)) with s = sigmoid(g). y, unless null, is made again. dgate_up may
// be gate_up and y may be dy: a thread reads its elements before it writes them, and no other
// reads them.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    swiglu_backward_kernel(const T* dy, const T* gate_up, T* dgate_up, T* y, std::int64_t rows,
                           std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const T* in = gate_up + row * 2 * width;
    T* out = dgate_up + row * 2 * width;
    for (std::int64_t i = first_column() * V; i < width; i += column_step() * V) {
      const auto gates = load<V, kAligned>(in + i, width - i);
      const auto ups = load<V, kAligned>(in + width + i, width - i);
      const auto gradients = load<V, kAligned>(dy + row * width + i, width - i);
      Pack<T, V> dgate;
      Pack<T, V> dup;
      Pack<T, V> again;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A gate = widen(gates[j]);
        const A up = widen(ups[j]);
        const A gradient = widen(gradients[j]);
        const A sigmoid = sigmoid_of<T>(gate);
        dgate[j] = narrow<T>(gradient * up * sigmoid * (A(1) + gate * (A(1) - sigmoid)));
        dup[j] = narrow<T>(gradient * gate * sigmoid);
        again[j] = activated<T>(gate, up, sigmoid);
      }
      store<V, kAligned>(out + i, dgate, width - i);
      store<V, kAligned>(out + width + i, dup, width - i);
      if (y != nullptr) store<V, kAligned>(y + row * width + i, again, width - i);
    }
  }
}

// The second half of a row begins at its width: that, too, has to be whole packs.
bool halves_are_aligned(std::initializer_list<const Tensor*> tensors, int elements,
                        std::int64_t width) {
  return width % elements == 0 && are_aligned(tensors, elements);
}

}  // namespace

void swiglu(const Tensor& gate_up, const Tensor& y) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = y.dim(0);
    const std::int64_t width = y.dim(1);
    if (y.size() == 0) return;
    const Context& context = context_of(y);
    const RowGrid threads(context, rows, divide_up(width, kPack<T>));
    on_bool(halves_are_aligned({&gate_up, &y}, kPack<T>, width), [&](auto aligned) {
      launch(context, "swiglu", swiglu_kernel<T, aligned()>, threads.grid, threads.block,
             gate_up.data<T>(), y.data<T>(), rows, width);
    });
  });
}

void swiglu_backward(const Tensor& dy, const Tensor& gate_up, const Tensor& dgate_up,
                     const Tensor& y) {
  on_float(dy.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = dy.dim(0);
    const std::int64_t width = dy.dim(1);
    if (dy.size() == 0) return;
    const Context& context = context_of(dy);
    const RowGrid threads(context, rows, divide_up(width, kPack<T>));
    const Tensor& again = y.defined() ? y : dy;
    const bool halves = halves_are_aligned({&dy, &gate_up, &dgate_up, &again}, kPack<T>, width);
    on_bool(halves, [&](auto aligned) {
      launch(context, "swiglu_backward", swiglu_backward_kernel<T, aligned()>, threads.grid,
             threads.block, dy.data<T>(), gate_up.data<T>(), dgate_up.data<T>(),
             y.defined() ? y.data<T>() : nullptr, rows, width);
    });
  });
}

}  // namespace unfold::core::kernels::cuda
