// Proof of a gradient: analytic against central differences, in float64.
#pragma once

#include <functional>
#include <vector>

#include "autograd/variable.h"

namespace unfold::autograd {

struct GradientCheck {
  // Largest |analytic - numeric| / max(1, |analytic|, |numeric|); infinity when not a number.
  double worst = 0;
  std::size_t input = 0;  // where it is
  std::int64_t element = 0;
  double analytic = 0;
  double numeric = 0;
};

// function maps float64 inputs to a scalar. Differences are taken element by element with a step of
// `step`, fourth-order central: (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h.
GradientCheck check_gradient(const std::function<Variable(const std::vector<Variable>&)>& function,
                             const std::vector<Tensor>& inputs, double step = 1e-3);

}  // namespace unfold::autograd
