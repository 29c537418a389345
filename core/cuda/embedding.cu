// Rows gathered, and added back where they came from.
#include <algorithm>
#include <bit>
#include <cub/device/device_radix_sort.cuh>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

// Rows as elements of Bits: as wide as row length and addresses allow.
template <typename Bits>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const Bits* x, const std::int32_t* index, Bits* y, std::int64_t rows,
                  std::int64_t width) {
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    const Bits* from = x + index[row] * width;
    Bits* to = y + row * width;
    for (std::int64_t i = first_column(); i < width; i += column_step()) to[i] = from[i];
  }
}

template <typename Bits>
void gather(const Context& context, const Tensor& x, const Tensor& index, const Tensor& y) {
  const std::int64_t rows = index.size();
  const std::int64_t width = x.dim(1) * static_cast<std::int64_t>(size_of(x.dtype())) /
                             static_cast<std::int64_t>(sizeof(Bits));
  const RowGrid threads(context, rows, width);
  launch(context, "gather_rows", gather_kernel<Bits>, threads.grid, threads.block,
         static_cast<const Bits*>(x.raw()), index.data<std::int32_t>(), static_cast<Bits*>(y.raw()),
         rows, width);
}

// numbers[i] = i, keys[i] = index[i] - first, or `rows` where that is none of 0 ... rows - 1.
__global__ void __launch_bounds__(kThreads)
    number_kernel(const std::int32_t* index, std::int64_t first, std::int64_t rows,
                  std::int32_t* keys, std::int32_t* numbers, std::int64_t size) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t row = index[i] - first;
    keys[i] = static_cast<std::int32_t>(row >= 0 && row < rows ? row : rows);
    numbers[i] = static_cast<std::int32_t>(i);
  }
}

// The numbers 0 ... size - 1 in order of their row, equal rows in order of the number.
struct Sorted {
  Tensor keys;
  Tensor order;
};

// keys: index - first, or `rows` for those that are in none of so many rows.
Sorted sort_by_row(const Context& context, const Tensor& index, std::int64_t first,
                   std::int64_t rows) {
  const std::int64_t size = index.size();
  check(size <= INT32_MAX && rows < INT32_MAX, "scatter_add_rows",
        "{} rows into {} are too many to sort", size, rows);
  const auto ints = [&] { return Tensor::empty({size}, DType::int32, index.device()); };
  const Tensor keys = ints();
  const Tensor numbers = ints();
  const Sorted sorted = {ints(), ints()};
  launch(context, "scatter_add_rows", number_kernel, grid_for(context, size, kThreads), kThreads,
         index.data<std::int32_t>(), first, rows, keys.data<std::int32_t>(),
         numbers.data<std::int32_t>(), size);
  // Keys are at most `rows`: their upper bits need no sorting.
  const int bits = std::max(1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows))));
  std::size_t bytes = 0;
  const auto run = [&](void* scratch) {
    core::cuda::check_status(
        cub::DeviceRadixSort::SortPairs(
            scratch, bytes, reinterpret_cast<const std::uint32_t*>(keys.data<std::int32_t>()),
            reinterpret_cast<std::uint32_t*>(sorted.keys.data<std::int32_t>()),
            numbers.data<std::int32_t>(), sorted.order.data<std::int32_t>(), static_cast<int>(size),
            0, bits, context.stream()),
        "scatter_add_rows: sorting");
  };
  run(nullptr);  // asks how much scratch memory it needs
  const Tensor scratch = Tensor::empty({static_cast<std::int64_t>(std::max<std::size_t>(1, bytes))},
                                       DType::uint8, index.device());
  run(scratch.raw());
  return sorted;
}

// The end of the run of equal keys that begins at `first`. Most runs are short; some tokens come
// thousands of times.
__device__ inline std::int64_t run_end(const std::int32_t* keys, std::int64_t first,
                                       std::int64_t count) {
  const std::int32_t key = keys[first];
  std::int64_t low = first + 1;  // everything before is of the run
  if (low == count || keys[low] != key) return low;
  std::int64_t high = count;  // nothing from here on is
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (keys[middle] == key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The beginning of the run of equal keys that `at` is in.
__device__ inline std::int64_t run_begin(const std::int32_t* keys, std::int64_t at) {
  const std::int32_t key = keys[at];
  std::int64_t low = 0;
  std::int64_t high = at;  // of the run
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (keys[middle] == key) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// A run that is as long, such as that of a gist token, has blocks of its own: add_long_runs_kernel.
constexpr std::int64_t kLongRun = 64;
constexpr int kLongColumns = 64;  // of a block

// y[key] += x[order[i]] for every i, in order of i; y has `rows` rows, other keys are passed over.
// The threads of a row of y are those that see its first i; all others of that key do nothing. So
// the order of additions is that of a plain loop. Long runs are left out.
template <typename T, int V, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(const T* x, const std::int32_t* keys, const std::int32_t* order,
                   Accumulator<T>* y, std::int64_t count, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  for (std::int64_t first = first_row(); first < count; first += row_step()) {
    const std::int32_t key = keys[first];
    if (key >= rows || (first > 0 && keys[first - 1] == key)) continue;
    const std::int64_t last = run_end(keys, first, count);
    if (last - first >= kLongRun) continue;
    for (std::int64_t i = first_column() * V; i < width; i += column_step() * V) {
      A* const target = y + key * width + i;
      auto sum = load<V, kAligned>(target, width - i);
#pragma unroll 8
      for (std::int64_t at = first; at < last; ++at) {
        const auto values = load<V, kAligned>(x + order[at] * width + i, width - i);
#pragma unroll
        for (int j = 0; j < V; ++j) sum[j] += widen(values[j]);
      }
      store<V, kAligned>(target, sum, width - i);
    }
  }
}

// The same for long runs. A block looks at one place in kLongRun of the sorted keys and takes the
// run there, if it is the first such place of a long one: every long run has one. All threads load
// rows of x, kLongRun at a time; then a thread a column adds them up in their order.
template <typename T, int V, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    add_long_runs_kernel(const T* x, const std::int32_t* keys, const std::int32_t* order,
                         Accumulator<T>* y, std::int64_t count, std::int64_t rows,
                         std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int kPacks = kLongColumns / V;
  __shared__ A tile[kLongRun][kLongColumns];
  const std::int64_t place = static_cast<std::int64_t>(blockIdx.x) * kLongRun;
  const std::int32_t key = keys[place];
  if (key >= rows) return;
  // A long run reaches half of its least length to one side.
  constexpr std::int64_t kHalf = kLongRun / 2;
  const bool reaches = (place >= kHalf && keys[place - kHalf] == key) ||
                       (place + kHalf < count && keys[place + kHalf] == key);
  if (!reaches) return;
  const std::int64_t begin = run_begin(keys, place);
  const std::int64_t end = run_end(keys, begin, count);
  if (begin <= place - kLongRun || end - begin < kLongRun) return;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.y) * kLongColumns;
  const int own = static_cast<int>(threadIdx.x);
  const bool adds = own < kLongColumns && column + own < width;
  A* const target = y + key * width + column + own;
  A sum = adds ? *target : A(0);
  const int pack = own % kPacks * V;
  for (std::int64_t first = begin; first < end; first += kLongRun) {
    const int loaded = static_cast<int>(end - first < kLongRun ? end - first : kLongRun);
#pragma unroll 4
    for (int row = own / kPacks; row < loaded; row += kThreads / kPacks) {
      const std::int64_t i = column + pack;
      if (i >= width) continue;
      const auto values = load<V, kAligned>(x + order[first + row] * width + i, width - i);
#pragma unroll
      for (int j = 0; j < V; ++j) tile[row][pack + j] = widen(values[j]);
    }
    __syncthreads();
    if (adds) {
#pragma unroll 16
      for (int row = 0; row < loaded; ++row) sum += tile[row][own];
    }
    __syncthreads();
  }
  if (adds) *target = sum;
}

// Rows of the target are those from first_row on; what belongs to others is passed over.
void scatter_rows(const Tensor& x, const Tensor& index, std::int64_t first_row,
                  const Tensor& target) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    constexpr int V = sizeof(A) == 8 ? 2 : 4;
    const std::int64_t count = index.size();
    const std::int64_t width = x.dim(1);
    const T* in = x.data<T>();
    A* out = target.data<A>();
    const std::int64_t rows = target.dim(0);
    if (count == 0 || rows == 0 || width == 0) return;
    const Context& context = context_of(x);
    const Sorted sorted = sort_by_row(context, index, first_row, rows);
    const RowGrid threads(context, count, divide_up(width, V));
    // Both have rows, whatever their number: a row behind the first begins at a multiple of width.
    on_bool(rows_are_aligned({&x, &target}, V, 2, width), [&](auto aligned) {
      launch(context, "scatter_add_rows", scatter_kernel<T, V, aligned()>, threads.grid,
             threads.block, in, sorted.keys.data<std::int32_t>(), sorted.order.data<std::int32_t>(),
             out, count, rows, width);
      if (count < kLongRun) return;
      const dim3 places(static_cast<unsigned>(divide_up(count, kLongRun)),
                        static_cast<unsigned>(divide_up(width, kLongColumns)));
      launch(context, "scatter_add_rows", add_long_runs_kernel<T, V, aligned()>, places, kThreads,
             in, sorted.keys.data<std::int32_t>(), sorted.order.data<std::int32_t>(), out, count,
             rows, width);
    });
  });
}

}  // namespace

void gather_rows(const Tensor& x, const Tensor& index, const Tensor& y) {
  check(is_floating(x.dtype()) && x.dtype() == y.dtype(), "gather_rows", "{} into {}",
        name_of(x.dtype()), name_of(y.dtype()));
  if (y.size() == 0) return;
  const Context& context = context_of(x);
  const std::uintptr_t all = reinterpret_cast<std::uintptr_t>(x.raw()) |
                             reinterpret_cast<std::uintptr_t>(y.raw()) |
                             static_cast<std::uintptr_t>(x.dim(1)) * size_of(x.dtype());
  if (all % 16 == 0) return gather<uint4>(context, x, index, y);
  if (all % 8 == 0) return gather<std::uint64_t>(context, x, index, y);
  if (all % 4 == 0) return gather<std::uint32_t>(context, x, index, y);
  gather<std::uint16_t>(context, x, index, y);
}

void scatter_add_rows(const Tensor& x, const Tensor& index, const Tensor& y) {
  scatter_rows(x, index, 0, y);
}

void embedding(const Tensor& table, const Tensor& ids, const Tensor& y) {
  gather_rows(table, ids, y);
}

void embedding_backward(const Tensor& dy, const Tensor& ids, std::int64_t first,
                        const Tensor& dtable) {
  scatter_rows(dy, ids, first, dtable);
}

}  // namespace unfold::core::kernels::cuda
