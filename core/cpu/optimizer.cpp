#include "core/kernels/optimizer.h"

#include <cmath>

#include "core/cpu/scalar.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {

void adamw(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
           const Tensor& parameter, const AdamWStep& step) {
  on_float(parameter.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const A correction1 = A(1 - std::pow(step.beta1, static_cast<double>(step.step)));
    const A correction2 = A(1 - std::pow(step.beta2, static_cast<double>(step.step)));
    const A beta1 = A(step.beta1);
    const A beta2 = A(step.beta2);
    const A rate = A(step.lr) / correction1;
    const A inverse_root = A(1) / std::sqrt(correction2);
    const A decay = A(1 - step.lr * step.weight_decay);
    const A scale = A(step.gradient_scale);
    const A eps = A(step.eps);
    A* weight = master.data<A>();
    A* first = m.data<A>();
    A* second = v.data<A>();
    const A* grad = gradient.data<A>();
    T* out = parameter.data<T>();
    parallel_for(parameter.size(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const A g = grad[i] * scale;
        first[i] = beta1 * first[i] + (A(1) - beta1) * g;
        second[i] = beta2 * second[i] + (A(1) - beta2) * g * g;
        const A denominator = std::sqrt(second[i]) * inverse_root + eps;
        weight[i] = weight[i] * decay - rate * first[i] / denominator;
        out[i] = T(weight[i]);
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
