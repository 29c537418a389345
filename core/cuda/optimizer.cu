#include "core/kernels/optimizer.h"

#include <cmath>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int kElements = 4;  // a thread takes at once: 16 bytes of each float32 array

// Computed once on the host, in the order of the CPU kernel.
template <typename A>
struct Update {
  explicit Update(const AdamWStep& step)
      : beta1(A(step.beta1)),
        beta2(A(step.beta2)),
        rest1(A(1 - step.beta1)),  // in double: 1 - 0.999f is off by 1e-5 of itself
        rest2(A(1 - step.beta2)),
        rate(A(step.lr) / A(1 - std::pow(step.beta1, static_cast<double>(step.step)))),
        inverse_root(A(1) / std::sqrt(A(1 - std::pow(step.beta2, static_cast<double>(step.step))))),
        decay(A(1 - step.lr * step.weight_decay)),
        scale(A(step.gradient_scale)),
        eps(A(step.eps)) {}
  A beta1, beta2, rest1, rest2, rate, inverse_root, decay, scale, eps;
};

// G: the type of the gradient, T: of the parameter, A: of the master and the moments. parameter may
// be master.
template <typename G, typename T, typename A, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(A* master, const G* gradient, A* m, A* v, T* parameter, std::int64_t size,
                 Update<A> update) {
  constexpr int V = kElements;
  for (std::int64_t i = first_item() * V; i < size; i += item_step() * V) {
    const std::int64_t count = size - i;
    const auto gradients = load<V, kAligned>(gradient + i, count);
    auto firsts = load<V, kAligned>(m + i, count);
    auto seconds = load<V, kAligned>(v + i, count);
    auto weights = load<V, kAligned>(master + i, count);
    Pack<T, V> rounded;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const A g = update.scale * widen(gradients[j]);
      firsts[j] = update.beta1 * firsts[j] + update.rest1 * g;
      seconds[j] = update.beta2 * seconds[j] + update.rest2 * (g * g);
      weights[j] =
          weights[j] * update.decay -
          update.rate * firsts[j] / (square_root(seconds[j]) * update.inverse_root + update.eps);
      rounded[j] = narrow<T>(weights[j]);
    }
    store<V, kAligned>(m + i, firsts, count);
    store<V, kAligned>(v + i, seconds, count);
    store<V, kAligned>(master + i, weights, count);
    store<V, kAligned>(parameter + i, rounded, count);
  }
}

template <typename G, typename T, typename A>
void run(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
         const Tensor& parameter, const AdamWStep& step) {
  const std::int64_t size = parameter.size();
  A* const masters = master.data<A>();
  const G* const gradients = gradient.data<G>();
  if (size == 0) return;
  const Context& context = context_of(parameter);
  on_bool(are_aligned({&master, &gradient, &m, &v, &parameter}, kElements), [&](auto aligned) {
    launch(context, "adamw", adamw_kernel<G, T, A, aligned()>,
           grid_for(context, size, kThreads * kElements), kThreads, masters, gradients, m.data<A>(),
           v.data<A>(), parameter.data<T>(), size, Update<A>(step));
  });
}

}  // namespace

void adamw(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
           const Tensor& parameter, const AdamWStep& step) {
  on_float(parameter.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    if (gradient.dtype() == parameter.dtype()) {
      run<T, T, A>(master, gradient, m, v, parameter, step);
    } else {
      run<A, T, A>(master, gradient, m, v, parameter, step);
    }
  });
}

}  // namespace unfold::core::kernels::cuda
