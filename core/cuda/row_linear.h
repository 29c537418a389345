// Products of a few rows, from the shapes to the kernels (core/cuda/row_linear.cuh).
#pragma once

#include "core/cuda/context.h"
#include "core/kernels/float_types.h"

namespace unfold::core::kernels::cuda {

// Rows of operands, all of dtype T; strides and extents in elements. nullptr: nothing of that kind.
template <typename T>
struct RowOperands {
  const T* x;  // (rows, inner)
  std::int64_t x_stride;
  const T* norm;  // (inner): rms_norm of x with these weights
  Accumulator<T> eps;
  const T* weight;  // (outputs, inner), gated: twice as many rows, the gates first
  std::int64_t weight_stride;
  const T* bias;      // (outputs)
  const T* residual;  // (rows, outputs); may be y
  std::int64_t residual_stride;
  T* y;  // (rows, outputs)
  std::int64_t y_stride;
  int rows;
  std::int64_t outputs;
  std::int64_t inner;
};

struct RowPath {
  bool gated = false;     // y = silu(gate) * up
  bool aligned = false;   // rows are whole packs and begin at one
  bool overlaps = false;  // may start while the kernel before it ends (core/cuda/overlap.cuh)
};

// As many rows at a time as can be staged. False when not even one can: nothing was done.
// One file an instance: core/cuda/row_linear_DTYPE.cu.
template <typename T>
bool run_rows(const core::cuda::Context& context, RowOperands<T> in, const RowPath& path);

}  // namespace unfold::core::kernels::cuda
