// Linear layers together with what comes before them. On a GPU the input of the product is not kept
// for the backward but made again there, on the way of a pass over the same rows; on the CPU these
// are the plain ops, which keep it.
#pragma once

#include <cstdint>

#include "autograd/variable.h"

namespace unfold::autograd {

// Where the input of the product is made again. `always` lets a test see that on the CPU, too.
enum class Recompute : std::uint8_t { on_gpu, always };

// linear(rms_norm(x, norm_weight, eps), weight, bias). Where the gradient of x is there already, as
// that of a residual stream is, it is added to in the same pass.
Variable norm_linear(const Variable& x, const Variable& norm_weight, double eps,
                     const Variable& weight, const Variable& bias = {},
                     Recompute recompute = Recompute::on_gpu);

// linear(swiglu(gate_up), weight, {}, residual). The gradient of gate_up is written over gate_up
// where nobody else holds its values.
Variable swiglu_linear(const Variable& gate_up, const Variable& weight,
                       const Variable& residual = {}, Recompute recompute = Recompute::on_gpu);

}  // namespace unfold::autograd
