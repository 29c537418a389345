#include "core/kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "core/cpu/scalar.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

// Elements a step of the loop: small enough for the first-level cache, and cut the same way for
// every thread count, because the vector and the scalar square root differ in the last bit.
constexpr std::int64_t kBlock = 1024;
constexpr std::int64_t kGrainBlocks = 32;

// G: the type of the gradient, T: of the parameter, A: of the master and the moments.
template <typename G, typename T, typename A>
void adamw_update(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
                  const Tensor& parameter, const AdamWStep& step) {
  const A correction1 = A(1 - std::pow(step.beta1, static_cast<double>(step.step)));
  const A correction2 = A(1 - std::pow(step.beta2, static_cast<double>(step.step)));
  const A beta1 = A(step.beta1);
  const A beta2 = A(step.beta2);
  const A rest1 = A(1 - step.beta1);  // in double: 1 - 0.999f is off by 1e-5 of itself
  const A rest2 = A(1 - step.beta2);
  const A rate = A(step.lr) / correction1;
  const A inverse_root = A(1) / std::sqrt(correction2);
  const A decay = A(1 - step.lr * step.weight_decay);
  const A scale = A(step.gradient_scale);
  const A eps = A(step.eps);
  A* const masters = master.data<A>();
  A* const firsts = m.data<A>();
  A* const seconds = v.data<A>();
  const G* const gradients = gradient.data<G>();
  T* const parameters = parameter.data<T>();
  const std::int64_t size = parameter.size();
  const std::int64_t blocks = (size + kBlock - 1) / kBlock;
  parallel_for(blocks, kGrainBlocks, [&](std::int64_t begin, std::int64_t end) {
    RowReader<G> read;
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t at = block * kBlock;
      const std::int64_t count = std::min(kBlock, size - at);
      const auto g = read(gradients + at, count);
      ArrayMap<A> weight(masters + at, count);
      ArrayMap<A> first(firsts + at, count);
      ArrayMap<A> second(seconds + at, count);
      first = beta1 * first + rest1 * (scale * g);
      second = beta2 * second + rest2 * (scale * g).square();
      weight = weight * decay - rate * first / (second.sqrt() * inverse_root + eps);
      for (std::int64_t i = 0; i < count; ++i) parameters[at + i] = T(masters[at + i]);
    }
  });
}

}  // namespace

void adamw(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
           const Tensor& parameter, const AdamWStep& step) {
  on_float(parameter.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    if (gradient.dtype() == parameter.dtype()) {
      adamw_update<T, T, A>(master, gradient, m, v, parameter, step);
    } else {
      adamw_update<A, T, A>(master, gradient, m, v, parameter, step);
    }
  });
}

}  // namespace unfold::core::kernels::cpu
