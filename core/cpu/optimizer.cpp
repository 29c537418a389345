#include "core/kernels/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/cpu/scalar.h"
#include "core/kernels/adamw_factors.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/stochastic_rounding.h"

namespace unfold::core::kernels::cpu {
namespace {

// Elements a step of the loop: small enough for the first-level cache, and cut the same way for
// every thread count, because the vector and the scalar square root differ in the last bit.
constexpr std::int64_t kBlock = 1024;
constexpr std::int64_t kGrainBlocks = 32;
constexpr std::int64_t kPhiloxWords = 4;

// G: the type of the gradient, T: of the parameter, A: of the master and the moments.
template <typename G, typename T, typename A>
void adamw_update(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
                  const Tensor& parameter, const AdamWStep& step, double gradient_scale) {
  const AdamWFactors<A> factors(step);
  const A scale(gradient_scale);
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
      first = factors.beta1 * first + factors.rest1 * (scale * g);
      second = factors.beta2 * second + factors.rest2 * (scale * g).square();
      weight = weight * factors.decay -
               factors.rate * first / (second.sqrt() * factors.inverse_root + factors.eps);
      for (std::int64_t i = 0; i < count; ++i) parameters[at + i] = T(masters[at + i]);
    }
  });
}

// The same with bfloat16 moments, in operations that are rounded once on every processor, so that
// all devices agree in every bit.
template <typename G, typename T>
void adamw_narrow_update(const Tensor& master, const Tensor& gradient, const Tensor& m,
                         const Tensor& v, const Tensor& parameter, const AdamWStep& step,
                         double gradient_scale) {
  const AdamWFactors<float> factors(step);
  const auto scale = static_cast<float>(gradient_scale);
  float* const masters = master.data<float>();
  bfloat16* const firsts = m.data<bfloat16>();
  bfloat16* const seconds = v.data<bfloat16>();
  const G* const gradients = gradient.data<G>();
  T* const parameters = parameter.data<T>();
  const std::int64_t size = parameter.size();
  const std::int64_t blocks = (size + kPhiloxWords - 1) / kPhiloxWords;
  const std::uint64_t first_block = step.first / kPhiloxWords;
  parallel_for(
      blocks, kGrainBlocks * kBlock / kPhiloxWords, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t block = begin; block < end; ++block) {
          const std::int64_t at = block * kPhiloxWords;
          const std::array<std::uint32_t, 4> random =
              philox(step.seed, step.stream, first_block + static_cast<std::uint64_t>(block));
          for (std::int64_t i = at; i < std::min(at + kPhiloxWords, size); ++i) {
            const std::uint32_t word = random[static_cast<std::size_t>(i - at)];
            const float g = scale * static_cast<float>(gradients[i]);
            const float first =
                std::fma(factors.beta1, static_cast<float>(firsts[i]), factors.rest1 * g);
            const float second =
                std::fma(factors.beta2, static_cast<float>(seconds[i]), factors.rest2 * (g * g));
            const float root = std::fma(std::sqrt(second), factors.inverse_root, factors.eps);
            masters[i] = std::fma(masters[i], factors.decay, -(factors.rate * first / root));
            firsts[i] = round_stochastically(first, word);
            seconds[i] = round_stochastically(second, word >> 16);
            parameters[i] = T(masters[i]);
          }
        }
      });
}

template <typename G, typename T, typename A>
void update(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
            const Tensor& parameter, const AdamWStep& step, double gradient_scale) {
  if constexpr (std::is_same_v<A, float>) {
    if (m.dtype() == DType::bfloat16) {
      adamw_narrow_update<G, T>(master, gradient, m, v, parameter, step, gradient_scale);
      return;
    }
  }
  adamw_update<G, T, A>(master, gradient, m, v, parameter, step, gradient_scale);
}

}  // namespace

void adamw(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
           const Tensor& parameter, const AdamWStep& step, double gradient_scale) {
  on_float(parameter.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    if (gradient.dtype() == parameter.dtype()) {
      update<T, T, A>(master, gradient, m, v, parameter, step, gradient_scale);
    } else {
      update<A, T, A>(master, gradient, m, v, parameter, step, gradient_scale);
    }
  });
}

void adamw_lay_out(AdamWLaunch& /*launch*/) {}

void adamw_all(const AdamWLaunch& launch, double gradient_scale) {
  for (const AdamWUpdate& each : launch.updates) {
    const Tensor gradient = each.gradient.defined()
                                ? each.gradient
                                : Tensor::zeros(each.master.shape(), each.master.dtype());
    adamw(each.master, gradient, each.m, each.v, each.parameter, each.step, gradient_scale);
  }
}

}  // namespace unfold::core::kernels::cpu
