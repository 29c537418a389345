// float32 matrix products of a training step beside Eigen's own, on the same threads.
#pragma once

#include "cli/bench/section.h"

namespace unfold::cli::bench {

// One row a product of the bench model: forward y = x w^T, and the two of the backward pass,
// dx = dy w and dw = dy^T x. seconds: time to measure each for.
Section matmul_section(double seconds);

}  // namespace unfold::cli::bench
