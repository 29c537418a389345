// The layers of a decoder for a few tokens: a product with what stands before and behind it, in one
// pass over the weights. With few rows the time is that of reading the weights, and of starting
// kernels.
#pragma once

#include <cstdint>

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

// What is done to the rows before the product, and to its result. Undefined tensors: nothing.
struct RowLinear {
  Tensor norm = {};      // (K): rms_norm of x with these weights
  double eps = 0;        // of the norm
  bool gated = false;    // weight (2M, K), the gates first: y = silu(gate) * up, and nothing else
  Tensor bias = {};      // (M)
  Tensor residual = {};  // (N, M); may be y
};

// y = f(x) weight^T + bias + residual; x (N, K), weight (M, K), y (N, M), contiguous, of one
// floating dtype. f is rms_norm or nothing; what it gives, gates and ups are rounded to the dtype,
// as where each is a kernel of its own. The sum is rounded as in linear (core/kernels/matmul.h). On
// a GPU fast for up to kFewRows rows; the sums of an output do not depend on the number of rows;
// and weights, norm and bias must not come from the kernel right before, which may not have ended
// when they are read.
UNFOLD_KERNEL(row_linear, const Tensor& x, const Tensor& weight, const RowLinear& around,
              const Tensor& y);

inline constexpr std::int64_t kFewRows = 8;

// Bytes of rows that a kernel keeps at hand. Longer rows are multiplied by parts, on any device.
inline constexpr std::size_t kStagedRowBytes = std::size_t{64} << 10;
// Whether rows of `inner` elements take one kernel on a GPU, which allocates nothing.
inline bool row_linear_is_one_kernel(DType dtype, std::int64_t inner) {
  return static_cast<std::size_t>(inner) * size_of(dtype) + 16 <= kStagedRowBytes;
}

// The same, by one kernel after the other.
void row_linear_by_parts(const Tensor& x, const Tensor& weight, const RowLinear& around,
                         const Tensor& y);

}  // namespace unfold::core::kernels
