#include "core/kernels/reduce.h"

#include "core/cuda/sums.cuh"

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

// partial[b] = the sum of f over the elements [b * chunk, (b + 1) * chunk). The chunk is a function
// of the size alone, and so is the order of addition.
template <typename T, bool kAligned, typename F>
__global__ void __launch_bounds__(kThreads)
    partial_sums_kernel(const T* x, std::int64_t size, std::int64_t chunk, double* partial, F f) {
  constexpr int V = kPack<T>;
  const std::int64_t begin = blockIdx.x * chunk;
  const std::int64_t end = begin + chunk < size ? begin + chunk : size;
  double total = 0;
#pragma unroll 4
  for (std::int64_t i = begin + threadIdx.x * V; i < end; i += kThreads * V) {
    const auto pack = load<V, kAligned>(x + i, end - i);  // f(0) is 0: a short pack adds nothing
#pragma unroll
    for (int j = 0; j < V; ++j) total += f(static_cast<double>(widen(pack[j])));
  }
  total = group_sum<kThreads>(total);
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

}  // namespace unfold::core::kernels::cuda
