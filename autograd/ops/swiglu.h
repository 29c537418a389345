// Gated activation of the Llama MLP (Shazeer 2020).
#pragma once

#include "autograd/variable.h"

namespace unfold::autograd {

// y = silu(gate) * up; gate_up (N, 2F) holds gate, then up; y (N, F).
Variable swiglu(const Variable& gate_up);

}  // namespace unfold::autograd
