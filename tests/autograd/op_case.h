// One op case serves three proofs: its gradient in float64, its values and gradients in float32 and
// bfloat16, and its parity between devices. A room lists its cases as std::vector<OpCase> and runs
// them with op_case_tests.h.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "autograd/gradient_check.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/shape.h"
#include "autograd/variable.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::testing {

using autograd::Variable;
using Variables = std::vector<Variable>;

struct OpCase {
  std::string name;  // letters, digits and '_'; unique in its list
  // The differentiable inputs, float64 on the CPU.
  std::function<std::vector<Tensor>(std::uint64_t seed)> inputs;
  // The op. Inputs may have any floating dtype and be on any device; side inputs (ids, positions)
  // are made by the function itself, on the device of its inputs.
  std::function<Variables(const Variables&)> outputs;
  // The same from plain ops, or empty. Where given, values and gradients must agree in float64, and
  // in low precision the op may be at most twice as far from float64 as this is.
  std::function<Variables(const Variables&)> composed = {};
  // Without `composed`: allowed error of values and gradients, relative to the largest value of
  // their tensor, in epsilons of the dtype. 1 means: rounded once or twice.
  double float32_epsilons = 8;
  double bfloat16_epsilons = 1;
};

inline void PrintTo(const OpCase& op, std::ostream* out) {
  *out << op.name;
}

// Values of the outputs, then gradients of the inputs under a random linear functional of the
// outputs. Everything in float64, on the host.
struct OpResult {
  std::vector<std::vector<double>> values;
  std::vector<std::vector<double>> gradients;
};

// The tensors, rounded to `rounding` first: so the inputs of all runs are equal numbers.
inline std::vector<Tensor> rounded(const std::vector<Tensor>& tensors, DType rounding) {
  std::vector<Tensor> result;
  for (const Tensor& tensor : tensors) result.push_back(tensor.to(rounding).to(DType::float64));
  return result;
}

inline OpResult run_op(const std::function<Variables(const Variables&)>& op,
                       const std::vector<Tensor>& inputs, DType dtype, core::Device device = {}) {
  Variables leaves;
  for (const Tensor& input : inputs) {
    leaves.emplace_back(input.to(dtype).clone().to(device), true);
    leaves.back().slot()->dtype = dtype;  // as in the middle of a model
  }
  const Variables outputs = op(leaves);
  OpResult result;
  std::vector<Tensor> functional;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    result.values.push_back(values_of(outputs[i].value()));
    functional.push_back(random_tensor(outputs[i].shape(), DType::bfloat16, 900 + i)
                             .to(outputs[i].dtype())
                             .to(device));
  }
  autograd::backward(outputs, functional);
  for (const Variable& leaf : leaves) {
    result.gradients.push_back(
        leaf.gradient().defined()
            ? values_of(leaf.gradient())
            : std::vector<double>(static_cast<std::size_t>(leaf.value().size()), 0.0));
  }
  return result;
}

// The largest relative error over the given tensors.
inline double worst_relative_error(const std::vector<std::vector<double>>& got,
                                   const std::vector<std::vector<double>>& reference) {
  if (got.size() != reference.size()) return HUGE_VAL;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, relative_error(got[i], reference[i]));
  }
  return worst;
}

// Every element of every input against fourth-order central differences.
inline ::testing::AssertionResult gradient_is_right(const OpCase& op, double tolerance = 1e-7) {
  const Threads one(1);  // thousands of tiny calls: waking threads would take most of the time
  const auto functional = [&](const Variables& leaves) {
    const Variables outputs = op.outputs(leaves);
    Variable total;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Tensor weight = random_tensor(outputs[i].shape(), DType::float64, 900 + i);
      const Variable term = autograd::sum(autograd::multiply(outputs[i], Variable(weight)));
      total = total.defined() ? autograd::add(total, term) : term;
    }
    return total;
  };
  const autograd::GradientCheck check = autograd::check_gradient(functional, op.inputs(1));
  if (check.worst <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "gradient of input " << check.input << " at element " << check.element << " is "
         << check.analytic << ", by differences " << check.numeric;
}

// The fused op equals its composition, values and gradients, in float64.
inline ::testing::AssertionResult equals_composition(const OpCase& op, double tolerance = 1e-12) {
  const OpResult fused = run_op(op.outputs, op.inputs(2), DType::float64);
  const OpResult plain = run_op(op.composed, op.inputs(2), DType::float64);
  const double values = worst_relative_error(fused.values, plain.values);
  const double gradients = worst_relative_error(fused.gradients, plain.gradients);
  if (values <= tolerance && gradients <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "values differ by " << values << ", gradients by " << gradients;
}

inline ::testing::AssertionResult low_precision_is_close(const OpCase& op, DType dtype) {
  const std::vector<Tensor> inputs = rounded(op.inputs(3), dtype);
  const OpResult exact = run_op(op.outputs, inputs, DType::float64);
  const OpResult low = run_op(op.outputs, inputs, dtype);
  const double epsilon = epsilon_of(dtype);
  double value_bound =
      epsilon * (dtype == DType::bfloat16 ? op.bfloat16_epsilons : op.float32_epsilons);
  double gradient_bound = value_bound;
  if (op.composed) {
    const OpResult plain = run_op(op.composed, inputs, dtype);
    value_bound = 2 * worst_relative_error(plain.values, exact.values) + epsilon / 2;
    gradient_bound = 2 * worst_relative_error(plain.gradients, exact.gradients) + epsilon / 2;
  }
  const double values = worst_relative_error(low.values, exact.values);
  const double gradients = worst_relative_error(low.gradients, exact.gradients);
  if (values <= value_bound && gradients <= gradient_bound) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << name_of(dtype) << ": values are off by " << values / epsilon << " epsilon (allowed "
         << value_bound / epsilon << "), gradients by " << gradients / epsilon << " (allowed "
         << gradient_bound / epsilon << ")";
}

// The same in float64, where only the order of sums may differ.
inline ::testing::AssertionResult devices_agree_in_float64(const OpCase& op, core::Device device,
                                                           double tolerance = 1e-11) {
  const OpResult host = run_op(op.outputs, op.inputs(4), DType::float64);
  const OpResult there = run_op(op.outputs, op.inputs(4), DType::float64, device);
  const double values = worst_relative_error(there.values, host.values);
  const double gradients = worst_relative_error(there.gradients, host.gradients);
  if (values <= tolerance && gradients <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "on " << name_of(device) << ": values differ from the "
                                       << "CPU by " << values << ", gradients by " << gradients;
}

// The same op twice on a device.
inline ::testing::AssertionResult repeats_on(const OpCase& op, core::Device device, DType dtype) {
  const OpResult first = run_op(op.outputs, op.inputs(5), dtype, device);
  const OpResult second = run_op(op.outputs, op.inputs(5), dtype, device);
  if (first.values == second.values && first.gradients == second.gradients) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << name_of(dtype) << ": two runs differ";
}

// The same op on the CPU and on a device: both are held to the low precision bound of float32 and
// bfloat16 against float64, so here they may differ by twice that.
inline ::testing::AssertionResult devices_agree(const OpCase& op, core::Device device) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const std::vector<Tensor> inputs = rounded(op.inputs(4), dtype);
    const OpResult host = run_op(op.outputs, inputs, dtype);
    const OpResult there = run_op(op.outputs, inputs, dtype, device);
    const double bound = 2 * epsilon_of(dtype) *
                         (dtype == DType::bfloat16 ? op.bfloat16_epsilons : op.float32_epsilons);
    const double values = worst_relative_error(there.values, host.values);
    const double gradients = worst_relative_error(there.gradients, host.gradients);
    if (values > bound || gradients > bound) {
      return ::testing::AssertionFailure()
             << name_of(dtype) << " on " << name_of(device) << ": values differ from the CPU by "
             << values << ", gradients by " << gradients << " (allowed " << bound << ")";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace unfold::testing
