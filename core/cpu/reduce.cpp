#include "core/kernels/reduce.h"

#include <vector>

#include "core/kernels/float_types.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

constexpr std::int64_t kBlock = 4096;  // elements a partial sum: fixed, whatever the thread count

// Sum of f(x[i]) over all elements, in double: partial sums of fixed blocks, added in order.
template <typename T, typename F>
double blocked_sum(const T* x, std::int64_t size, F f) {
  const std::int64_t blocks = (size + kBlock - 1) / kBlock;
  std::vector<double> partial(static_cast<std::size_t>(blocks));
  parallel_for(blocks, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t stop = std::min(size, (block + 1) * kBlock);
      double lanes[8] = {};  // independent chains, so that the adds overlap
      std::int64_t i = block * kBlock;
      for (; i + 8 <= stop; i += 8) {
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += f(static_cast<double>(x[i + lane]));
      }
      double total = 0;
      for (const double lane : lanes) total += lane;
      for (; i < stop; ++i) total += f(static_cast<double>(x[i]));
      partial[static_cast<std::size_t>(block)] = total;
    }
  });
  double total = 0;
  for (const double value : partial) total += value;
  return total;
}

}  // namespace

void sum(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const double total = blocked_sum(x.data<T>(), x.size(), [](double value) { return value; });
    y.data<Accumulator<T>>()[0] = static_cast<Accumulator<T>>(total);
  });
}

void add_column_sums(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    const T* in = x.data<T>();
    A* out = y.data<A>();
    parallel_for(width, 64, [&](std::int64_t begin, std::int64_t end) {
      std::vector<A> total(static_cast<std::size_t>(end - begin), A(0));
      for (std::int64_t row = 0; row < rows; ++row) {
        const T* values = in + row * width + begin;
        for (std::int64_t i = 0; i < end - begin; ++i) {
          total[static_cast<std::size_t>(i)] += A(values[i]);
        }
      }
      for (std::int64_t i = begin; i < end; ++i) {
        out[i] += total[static_cast<std::size_t>(i - begin)];
      }
    });
  });
}

void add_squared_norm(const Tensor& x, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    y.data<double>()[0] +=
        blocked_sum(x.data<T>(), x.size(), [](double value) { return value * value; });
  });
}

void add_squared_norms(const std::vector<Tensor>& xs, const Tensor& y) {
  for (const Tensor& x : xs) add_squared_norm(x, y);
}

}  // namespace unfold::core::kernels::cpu
