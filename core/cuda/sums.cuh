// Sums within a block and over columns (within a warp: core/cuda/scalar.cuh). Every order of
// addition is fixed by shapes and constants, so the same input gives the same bits, on any device
// of this kind and with any grid. No atomics.
#pragma once

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"

namespace unfold::core::kernels::cuda {

// The sum over kGroup threads of one threadIdx.y, in each of them: a warp, or a block that is one
// group. All threads of the group come here.
template <int kGroup, typename A>
__device__ inline A group_sum(A value) {
  static_assert(kGroup % 32 == 0);
  value = warp_sum(value);
  if constexpr (kGroup > 32) {
    __shared__ A partial[kGroup / 32];
    __syncthreads();  // the sum before this one has been read
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
    __syncthreads();
    value = partial[0];
#pragma unroll
    for (int warp = 1; warp < kGroup / 32; ++warp) value += partial[warp];
  }
  return value;
}

// How rows are given to groups of threads that sum along them: short ones to warps, long ones to
// blocks. Calls f(std::integral_constant<int, kGroup>{}, grid, block); in the kernel, first_row()
// and row_step() count rows, and threadIdx.x is the place in the group.
template <typename F>
void on_row_groups(const Context& context, std::int64_t rows, std::int64_t packs, F&& f) {
  if (packs <= 128) {
    f(std::integral_constant<int, 32>{}, dim3(grid_for(context, rows, 4)), dim3(32, 4));
  } else {
    f(std::integral_constant<int, kThreads>{}, dim3(grid_for(context, rows, 1)), dim3(kThreads));
  }
}

// Rows short enough to be held in registers by the threads that sum along them: kPacks packs a
// thread, whole ones. Calls f(std::integral_constant<int, kGroup>{}, the same of kPacks, block) and
// returns true, or returns false when rows are too long; block.y rows are taken at once.
template <typename F>
bool on_held_rows(std::int64_t packs, F&& f) {
  constexpr dim3 kWarps(32, 4);
  constexpr dim3 kBlock(kThreads);
  const auto call = [&](auto group, auto held) {
    f(group, held, decltype(group)::value == 32 ? kWarps : kBlock);
    return true;
  };
  constexpr std::integral_constant<int, 32> warp{};
  constexpr std::integral_constant<int, kThreads> whole{};
  if (packs <= 32) return call(warp, std::integral_constant<int, 1>{});
  if (packs <= 2 * 32) return call(warp, std::integral_constant<int, 2>{});
  if (packs <= 3 * 32) return call(warp, std::integral_constant<int, 3>{});
  if (packs <= 4 * 32) return call(warp, std::integral_constant<int, 4>{});
  if (packs <= kThreads) return call(whole, std::integral_constant<int, 1>{});
  if (packs <= 2 * kThreads) return call(whole, std::integral_constant<int, 2>{});
  if (packs <= 4 * kThreads) return call(whole, std::integral_constant<int, 4>{});
  return false;
}

constexpr int kColumnLanes = 8;  // threads that share the rows of a column in a block

// One block: the sums of 32 * V columns over rows_per_block rows. Value has
//   template <int V> void add(row, column, std::int64_t count, A (&total)[V]) const
// which adds its values at (row, column), (row, column + 1), ..., count of them at the most.
// out (gridDim.y, width) is written, or added to.
template <int V, bool kAdd, typename A, typename Value>
__global__ void __launch_bounds__(32 * kColumnLanes)
    column_sums_kernel(Value value, std::int64_t rows, std::int64_t width,
                       std::int64_t rows_per_block, A* out) {
  __shared__ A shared[kColumnLanes][32 * V];
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * 32 + threadIdx.x) * V;
  const std::int64_t begin = blockIdx.y * rows_per_block;
  const std::int64_t end = begin + rows_per_block < rows ? begin + rows_per_block : rows;
  A total[V] = {};
  if (column < width) {
#pragma unroll 4
    for (std::int64_t row = begin + threadIdx.y; row < end; row += kColumnLanes) {
      value.template add<V>(row, column, width - column, total);
    }
  }
#pragma unroll
  for (int i = 0; i < V; ++i) shared[threadIdx.y][i * 32 + threadIdx.x] = total[i];
  __syncthreads();
  if (threadIdx.y != 0 || column >= width) return;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    if (column + i >= width) break;
    A sum = shared[0][i * 32 + threadIdx.x];
#pragma unroll
    for (int lane = 1; lane < kColumnLanes; ++lane) sum += shared[lane][i * 32 + threadIdx.x];
    A& target = out[blockIdx.y * width + column + i];
    target = kAdd ? target + sum : sum;
  }
}

// The values of a matrix (rows, width) of T.
template <typename T, bool kAligned>
struct MatrixValues {
  const T* x;
  std::int64_t width;

  template <int V, typename A>
  __device__ void add(std::int64_t row, std::int64_t column, std::int64_t count,
                      A (&total)[V]) const {
    const auto pack = load<V, kAligned>(x + row * width + column, count);
#pragma unroll
    for (int i = 0; i < V; ++i) total[i] += widen(pack[i]);
  }
};

// out[column] += the sum of column over the rows of partial (rows, width).
template <typename A>
__global__ void __launch_bounds__(32 * 32)
    add_partial_sums_kernel(const A* partial, std::int64_t rows, std::int64_t width, A* out) {
  __shared__ A shared[32][33];  // one more, so that columns lie in different banks
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * 32;
  A total = 0;
  if (first + threadIdx.x < width) {
#pragma unroll 8
    for (std::int64_t row = threadIdx.y; row < rows; row += 32) {
      total += partial[row * width + first + threadIdx.x];
    }
  }
  shared[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  const A sum = warp_sum(shared[threadIdx.x][threadIdx.y]);
  if (threadIdx.x == 0 && first + threadIdx.y < width) out[first + threadIdx.y] += sum;
}

template <typename A>
void add_partial_sums(const Context& context, const char* name, const Tensor& partial, A* out) {
  const std::int64_t width = partial.dim(1);
  launch(context, name, add_partial_sums_kernel<A>,
         dim3(static_cast<unsigned>(divide_up(width, 32))), dim3(32, 32), partial.data<A>(),
         partial.dim(0), width, out);
}

// out (width) += sums of value over rows; V columns a thread. `device`: where out is. Two passes
// when there are many rows: partial sums of blocks of rows, then the sums of those.
template <int V, typename A, typename Value>
void add_column_sums_of(const Context& context, const char* name, const Value& value,
                        std::int64_t rows, std::int64_t width, A* out) {
  if (rows == 0 || width == 0) return;
  constexpr std::int64_t kLeastRows = 64;
  constexpr std::int64_t kMostBlocks = 256;
  const std::int64_t wanted = std::clamp<std::int64_t>(rows / kLeastRows, 1, kMostBlocks);
  const std::int64_t rows_per_block = divide_up(rows, wanted);
  const std::int64_t blocks = divide_up(rows, rows_per_block);
  const dim3 block(32, kColumnLanes);
  const dim3 grid(static_cast<unsigned>(divide_up(width, 32 * V)), static_cast<unsigned>(blocks));
  if (blocks == 1) {
    launch(context, name, column_sums_kernel<V, true, A, Value>, grid, block, value, rows, width,
           rows_per_block, out);
    return;
  }
  const Tensor partial =
      Tensor::empty({blocks, width}, dtype_of<A>, Device{DeviceType::cuda, context.device()});
  launch(context, name, column_sums_kernel<V, false, A, Value>, grid, block, value, rows, width,
         rows_per_block, partial.data<A>());
  add_partial_sums(context, name, partial, out);
}

}  // namespace unfold::core::kernels::cuda
