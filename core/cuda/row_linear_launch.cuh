// Which kernel serves a number of rows and a dtype (core/cuda/row_linear.h).
#pragma once

#include "core/cuda/row_linear.cuh"
#include "core/kernels/row_linear.h"

namespace unfold::core::kernels::cuda {

template <typename T, int kRows, bool kGated, int kAhead, bool kAligned>
void launch_rows(const Context& context, const RowOperands<T>& in, bool overlaps) {
  constexpr int V = kPack<T>;
  const auto kernel = row_linear_kernel<T, kRows, kGated, kAhead, kAligned>;
  const std::size_t bytes =
      static_cast<std::size_t>(kRows * divide_up(in.inner, V) * V) * sizeof(T);
  if (bytes > std::size_t{32} << 10) {
    core::cuda::check_status(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kStagedRowBytes)),
        "row_linear");
  }
  // No more blocks than run at once: each stages the rows.
  const auto grid = static_cast<unsigned>(
      std::min<std::int64_t>(divide_up(in.outputs, kRowWarps),
                             std::int64_t{kRowBlocks} * context.properties().processors));
  launch_early(context, "row_linear", kernel, grid, kRowThreads, bytes, overlaps, in);
}

template <typename T, bool kGated>
void launch_some(const Context& context, const RowOperands<T>& in, int taken, const RowPath& path) {
  const bool early = path.overlaps;
  // Models decode in bfloat16: it has kernels for every number of rows, and reads further ahead.
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (path.aligned) {
      const bool far = divide_up(in.inner, kPack<T>) > 4 * 32;
      if (taken == 1 && far) return launch_rows<T, 1, kGated, 8, true>(context, in, early);
      if (taken == 1) return launch_rows<T, 1, kGated, 4, true>(context, in, early);
      if (taken == 2) return launch_rows<T, 2, kGated, 4, true>(context, in, early);
      if (taken == 4) return launch_rows<T, 4, kGated, 4, true>(context, in, early);
      return launch_rows<T, 8, kGated, 4, true>(context, in, early);
    }
  } else if (path.aligned) {
    return taken == 1 ? launch_rows<T, 1, kGated, 4, true>(context, in, early)
                      : launch_rows<T, 8, kGated, 4, true>(context, in, early);
  }
  return taken == 1 ? launch_rows<T, 1, kGated, 4, false>(context, in, early)
                    : launch_rows<T, 8, kGated, 4, false>(context, in, early);
}

template <typename T>
bool run_rows(const Context& context, RowOperands<T> in, const RowPath& path) {
  const auto fits = [&](std::int64_t rows) {
    return static_cast<std::size_t>(rows * (in.inner + kPack<T>)) * sizeof(T) <= kStagedRowBytes;
  };
  if (!fits(1)) return false;
  const bool every_number = std::is_same_v<T, bfloat16> && path.aligned;
  for (int left = in.rows; left > 0;) {
    int taken = 8;
    while (taken > 1 && (taken / 2 >= left || !fits(taken))) taken /= 2;
    if (!every_number && taken > 1) taken = fits(8) ? 8 : 1;
    in.rows = std::min(taken, left);
    path.gated ? launch_some<T, true>(context, in, taken, path)
               : launch_some<T, false>(context, in, taken, path);
    in.x += in.rows * in.x_stride;
    in.y += in.rows * in.y_stride;
    if (in.residual != nullptr) in.residual += in.rows * in.residual_stride;
    left -= in.rows;
  }
  return true;
}

}  // namespace unfold::core::kernels::cuda
