// What CPU and CUDA kernels share of AdamW: the numbers of a step in the type it computes in.
#pragma once

#include <cmath>

#include "core/kernels/optimizer.h"

namespace unfold::core::kernels {

template <typename A>
struct AdamWFactors {
  AdamWFactors() = default;
  explicit AdamWFactors(const AdamWStep& step)
      : beta1(A(step.beta1)),
        beta2(A(step.beta2)),
        rest1(A(1 - step.beta1)),  // in double: 1 - 0.999f is off by 1e-5 of itself
        rest2(A(1 - step.beta2)),
        rate(A(step.lr) / A(1 - std::pow(step.beta1, static_cast<double>(step.step)))),
        inverse_root(A(1) / std::sqrt(A(1 - std::pow(step.beta2, static_cast<double>(step.step))))),
        decay(A(1 - step.lr * step.weight_decay)),
        eps(A(step.eps)) {}

  A beta1, beta2, rest1, rest2;  // rest = 1 - beta
  A rate;                        // lr over the bias correction of m
  A inverse_root;                // 1 over the root of the bias correction of v
  A decay;                       // of the master
  A eps;
};

}  // namespace unfold::core::kernels
