#include "core/cuda/sums.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int kArgmaxThreads = 512;

// One row a block at a time. Of equal values the one with the lower index wins, whatever thread it
// was found by.
template <typename T>
__global__ void __launch_bounds__(kArgmaxThreads)
    argmax_rows_kernel(const T* logits, std::int32_t* best, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  __shared__ A values[kArgmaxThreads / 32];
  __shared__ std::int32_t indices[kArgmaxThreads / 32];
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* const in = logits + row * width;
    // Every thread begins with element 0, so that all have one.
    A value = widen(in[0]);
    std::int32_t index = 0;
    for (std::int64_t i = threadIdx.x; i < width; i += kArgmaxThreads) {
      const A other = widen(in[i]);
      if (other > value) {
        value = other;
        index = static_cast<std::int32_t>(i);
      }
    }
    const auto take = [&](A other, std::int32_t at) {
      if (other > value || (other == value && at < index)) {
        value = other;
        index = at;
      }
    };
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
      const A other = __shfl_down_sync(kFullWarp, value, offset);
      const std::int32_t at = __shfl_down_sync(kFullWarp, index, offset);
      take(other, at);  // only lane 0's result is used
    }
    __syncthreads();  // the row before this one has been read
    if (threadIdx.x % 32 == 0) {
      values[threadIdx.x / 32] = value;
      indices[threadIdx.x / 32] = index;
    }
    __syncthreads();
    if (threadIdx.x != 0) continue;
    for (int warp = 1; warp < kArgmaxThreads / 32; ++warp) take(values[warp], indices[warp]);
    best[row] = index;
  }
}

}  // namespace

void argmax_rows(const Tensor& logits, const Tensor& best) {
  on_float(logits.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = logits.dim(0);
    if (rows == 0) return;
    const Context& context = context_of(logits);
    launch(context, "argmax_rows", argmax_rows_kernel<T>, grid_for(context, rows, 1),
           kArgmaxThreads, logits.data<T>(), best.data<std::int32_t>(), rows, logits.dim(1));
  });
}

}  // namespace unfold::core::kernels::cuda
