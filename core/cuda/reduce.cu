#include "core/kernels/reduce.h"

#include "core/cuda/sums.cuh"
#include "core/cuda/tensor_list.cuh"

namespace unfold::core::kernels::cuda {
namespace {

constexpr std::int64_t kMostPartials = 1024;
// Elements worth a block; also the step of the cut, so that packs are never cut.
constexpr std::int64_t kChunk = 8192;

struct Value {
  __device__ double operator()(double value) const { return value; }
};
struct Square {
  __device__ double operator()(double value) const { return value * value; }
};

// This thread's share of the sum of f over the elements [begin, end).
template <bool kAligned, typename T, typename F>
__device__ inline double share_of_sum(const T* x, std::int64_t begin, std::int64_t end, F f) {
  constexpr int V = kPack<T>;
  double total = 0;
#pragma unroll 4
  for (std::int64_t i = begin + threadIdx.x * V; i < end; i += kThreads * V) {
    const auto pack = load<V, kAligned>(x + i, end - i);  // f(0) is 0: a short pack adds nothing
#pragma unroll
    for (int j = 0; j < V; ++j) total += f(static_cast<double>(widen(pack[j])));
  }
  return total;
}

// partial[b] = the sum of f over the elements [b * chunk, (b + 1) * chunk). The chunk is a function
// of the size alone, and so is the order of addition.
template <typename T, bool kAligned, typename F>
__global__ void __launch_bounds__(kThreads)
    partial_sums_kernel(const T* x, std::int64_t size, std::int64_t chunk, double* partial, F f) {
  const std::int64_t begin = blockIdx.x * chunk;
  const std::int64_t end = begin + chunk < size ? begin + chunk : size;
  const double total = group_sum<kThreads>(share_of_sum<kAligned>(x, begin, end, f));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

// y = the sum of the partial sums, or y += it.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    total_kernel(const double* partial, std::int64_t count, A* y, bool add) {
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) total += partial[i];
  total = group_sum<kThreads>(total);
  if (threadIdx.x == 0) *y = static_cast<A>(add ? static_cast<double>(*y) + total : total);
}

// One tensor of a list.
template <typename T>
struct Values {
  const T* x;
  std::int64_t size;
  bool aligned;
};

// partial[b] = the sum of squares of chunk b of a list.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    list_squares_kernel(const Values<T>* tensors, const std::int32_t* first, int count,
                        double* partial) {
  const int chunk = static_cast<int>(blockIdx.x);
  const int tensor = tensor_of_chunk(first, count, chunk);
  const Values<T> values = tensors[tensor];
  const std::int64_t begin = static_cast<std::int64_t>(chunk - first[tensor]) * kListChunk;
  const std::int64_t end = begin + kListChunk < values.size ? begin + kListChunk : values.size;
  double total = values.aligned ? share_of_sum<true>(values.x, begin, end, Square{})
                                : share_of_sum<false>(values.x, begin, end, Square{});
  total = group_sum<kThreads>(total);
  if (threadIdx.x == 0) partial[chunk] = total;
}

template <typename T, typename A, typename F>
void reduce(const char* name, const Tensor& x, A* y, bool add, F f) {
  const Context& context = context_of(x);
  const std::int64_t size = x.size();
  const std::int64_t wanted = std::clamp<std::int64_t>(divide_up(size, kChunk), 1, kMostPartials);
  const std::int64_t chunk = divide_up(divide_up(size, wanted), kChunk) * kChunk;
  const std::int64_t blocks = size == 0 ? 0 : divide_up(size, chunk);
  const Tensor partial = Tensor::empty({blocks}, DType::float64, x.device());
  if (blocks > 0) {
    on_bool(are_aligned({&x}, kPack<T>), [&](auto aligned) {
      launch(context, name, partial_sums_kernel<T, aligned(), F>, static_cast<unsigned>(blocks),
             kThreads, x.data<T>(), size, chunk, partial.data<double>(), f);
    });
  }
  launch(context, name, total_kernel<A>, 1, kThreads, partial.data<double>(), blocks, y, add);
}

}  // namespace

void sum(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    reduce<T>("sum", x, y.data<Accumulator<T>>(), false, Value{});
  });
}

void add_column_sums(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    A* out = y.data<A>();
    on_bool(rows_are_aligned({&x}, kPack<T>, rows, width), [&](auto aligned) {
      add_column_sums_of<kPack<T>>(context_of(x), "add_column_sums",
                                   MatrixValues<T, aligned()>{x.data<T>(), width}, rows, width,
                                   out);
    });
  });
}

void add_squared_norm(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    reduce<T>("add_squared_norm", x, y.data<double>(), true, Square{});
  });
}

void add_squared_norms(const std::vector<Tensor>& xs, const Tensor& y) {
  on_float(xs.front().dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<Values<T>> tensors;
    ListChunks chunks;
    for (const Tensor& x : xs) {
      tensors.push_back({x.data<T>(), x.size(), are_aligned({&x}, kPack<T>)});
      chunks.add(x.size());
    }
    if (chunks.count == 0) return;
    const Context& context = context_of(y);
    const Tensor table = upload_bytes(tensors, y.device());
    const auto count = static_cast<std::int64_t>(tensors.size());
    const Tensor first = Tensor::from(chunks.first, {count}, y.device());
    const Tensor partial = Tensor::empty({chunks.count}, DType::float64, y.device());
    launch(context, "add_squared_norms", list_squares_kernel<T>,
           static_cast<unsigned>(chunks.count), kThreads, uploaded<Values<T>>(table),
           first.data<std::int32_t>(), static_cast<int>(count), partial.data<double>());
    launch(context, "add_squared_norms", total_kernel<double>, 1, kThreads, partial.data<double>(),
           chunks.count, y.data<double>(), true);
  });
}

}  // namespace unfold::core::kernels::cuda
