#include "autograd/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unfold::autograd {

GradientCheck check_gradient(const std::function<Variable(const std::vector<Variable>&)>& function,
                             const std::vector<Tensor>& inputs, double step) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) {
    core::check(input.dtype() == core::DType::float64, "gradient_check", "inputs must be float64");
    leaves.emplace_back(input.clone(), true);
  }
  backward(function(leaves));

  GradientCheck result;
  const NoGrad no_grad;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double> analytic =
        leaves[i].gradient().defined()
            ? leaves[i].gradient().to_vector<double>()
            : std::vector<double>(static_cast<std::size_t>(inputs[i].size()), 0.0);
    double* values = leaves[i].value().data<double>();
    for (std::int64_t element = 0; element < inputs[i].size(); ++element) {
      const double original = values[element];
      const auto at = [&](double offset) {
        values[element] = original + offset;
        return function(leaves).value().item();
      };
      const double numeric =
          (at(-2 * step) - 8 * at(-step) + 8 * at(step) - at(2 * step)) / (12 * step);
      values[element] = original;
      const double exact = analytic[static_cast<std::size_t>(element)];
      double error =
          std::abs(exact - numeric) / std::max({1.0, std::abs(exact), std::abs(numeric)});
      if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
      if (error > result.worst) result = {error, i, element, exact, numeric};
    }
  }
  return result;
}

}  // namespace unfold::autograd
