// How kernels are launched: on the stream of a tensor's device, checked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "core/cuda/context.h"
#include "core/cuda/status.h"
#include "core/tensor.h"

namespace unfold::core::kernels::cuda {

using core::cuda::Context;

// The context of the device a tensor is on, made current.
inline Context& context_of(const Tensor& x) {
  return core::cuda::use(x.device().index);
}

// kernel<<<grid, block>>>(args...) on the context's stream. name: of the kernel, for errors.
template <typename... Parameters, typename... Args>
void launch(const Context& context, const char* name, void (*kernel)(Parameters...), dim3 grid,
            dim3 block, Args&&... args) {
  kernel<<<grid, block, 0, context.stream()>>>(std::forward<Args>(args)...);
  core::cuda::check_status(cudaGetLastError(), name);
}

constexpr int kThreads = 256;

inline std::int64_t divide_up(std::int64_t count, std::int64_t by) {
  return (count + by - 1) / by;
}

// Blocks for `items` taken by `per_block`, in a grid-stride loop: enough to fill the device several
// times over, few enough to keep the launch cheap. What a kernel computes must not depend on it.
inline unsigned grid_for(const Context& context, std::int64_t items, std::int64_t per_block) {
  const std::int64_t most = std::int64_t{32} * context.properties().processors;
  return static_cast<unsigned>(std::clamp<std::int64_t>(divide_up(items, per_block), 1, most));
}

// Rows by columns, both in grid-stride loops: threads x take neighbouring columns, y rows.
struct RowGrid {
  RowGrid(const Context& context, std::int64_t rows, std::int64_t columns) {
    // Columns in equal parts, so that no thread is left without work.
    const std::int64_t parts = std::max<std::int64_t>(1, divide_up(columns, kThreads));
    const auto across =
        static_cast<unsigned>(std::clamp<std::int64_t>(divide_up(columns, parts), 1, kThreads));
    block = dim3(across, kThreads / across);
    grid = dim3(grid_for(context, rows, block.y),
                static_cast<unsigned>(std::min<std::int64_t>(parts, 64)));
  }
  dim3 grid;
  dim3 block;
};

// In a kernel launched with a RowGrid: this thread's first row and column, and the steps.
__device__ inline std::int64_t first_row() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}
__device__ inline std::int64_t row_step() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.y;
}
__device__ inline std::int64_t first_column() {
  return static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t column_step() {
  return static_cast<std::int64_t>(gridDim.y) * blockDim.x;
}

// In a kernel launched with a grid of one dimension: this thread's first item, and the step.
__device__ inline std::int64_t first_item() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t item_step() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace unfold::core::kernels::cuda
