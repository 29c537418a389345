// The ops of autograd/ops as op cases.
#pragma once

#include <vector>

#include "tests/autograd/op_case.h"

namespace unfold::testing {

// Several shapes an op: odd extents, one row, and empty where an op allows it.
std::vector<OpCase> autograd_op_cases();

}  // namespace unfold::testing
