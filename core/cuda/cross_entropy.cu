#include <cfloat>

#include "core/cuda/sums.cuh"
#include "core/kernels/nn.h"

namespace unfold::core::kernels::cuda {
namespace {

template <typename A>
constexpr A lowest() {
  if constexpr (sizeof(A) == 8) {
    return -DBL_MAX;
  } else {
    return -FLT_MAX;
  }
}

// A sum of exponentials as (largest, total): the sum of exp(x - largest). It begins at the lowest
// finite number, not at -inf, so that logits of -inf add 0. NaN is never the largest but makes the
// total NaN, and +inf makes the loss infinite or NaN: a diverged run is seen.
template <typename A>
struct ExpSum {
  A largest = lowest<A>();
  A total = A(0);

  __device__ void add(const ExpSum& other) {
    const A high = other.largest > largest ? other.largest : largest;
    total = total * exponential(largest - high) + other.total * exponential(other.largest - high);
    largest = high;
  }
};

// Over the block, in every thread, in a fixed order.
template <int kGroup, typename A>
__device__ ExpSum<A> group_exp_sum(ExpSum<A> sum) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    ExpSum<A> other;
    other.largest = __shfl_down_sync(kFullWarp, sum.largest, offset);
    other.total = __shfl_down_sync(kFullWarp, sum.total, offset);
    sum.add(other);  // only lane 0's result is used
  }
  __shared__ A largest[kGroup / 32];
  __shared__ A total[kGroup / 32];
  __syncthreads();  // the sum before this one has been read
  if (threadIdx.x % 32 == 0) {
    largest[threadIdx.x / 32] = sum.largest;
    total[threadIdx.x / 32] = sum.total;
  }
  __syncthreads();
  ExpSum<A> result;
  for (int warp = 0; warp < kGroup / 32; ++warp) {
    ExpSum<A> other;
    other.largest = largest[warp];
    other.total = total[warp];
    result.add(other);
  }
  return result;
}

// A row cut where its packs are aligned, wherever the row begins: rows of an odd width are all
// aligned differently.
template <typename T>
struct AlignedRow {
  __device__ AlignedRow(const T* row, std::int64_t width) {
    constexpr int V = kPack<T>;
    const auto address = reinterpret_cast<std::uintptr_t>(row);
    head = static_cast<std::int64_t>((16 - address % 16) % 16 / sizeof(T));
    if (head > width) head = width;
    packs = (width - head) / V;
    tail = head + packs * V;
  }
  std::int64_t head;  // elements before the first pack
  std::int64_t packs;
  std::int64_t tail;  // the first element behind the last pack
};

// exp(x - largest). For bfloat16, whose rounding is a thousand times coarser, by the fast unit.
template <typename T>
__device__ inline Accumulator<T> exponential_from(Accumulator<T> x, Accumulator<T> largest) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return __expf(x - largest);
  } else {
    return exponential(x - largest);
  }
}

// Calls f(pack, at) for the packs of a row that are this thread's; several are loaded before the
// first is used.
template <int kGroup, typename T, typename F>
__device__ inline void for_each_pack(const T* row, const AlignedRow<T>& cut, F&& f) {
  constexpr int V = kPack<T>;
  constexpr int kBatch = 4;
  const T* const packs = row + cut.head;
  std::int64_t pack = threadIdx.x;
  for (; pack + (kBatch - 1) * kGroup < cut.packs; pack += kBatch * kGroup) {
    Pack<T, V> values[kBatch];
#pragma unroll
    for (int b = 0; b < kBatch; ++b) values[b] = load<V, true>(packs + (pack + b * kGroup) * V);
#pragma unroll
    for (int b = 0; b < kBatch; ++b) f(values[b], cut.head + (pack + b * kGroup) * V);
  }
  for (; pack < cut.packs; pack += kGroup) {
    f(load<V, true>(packs + pack * V), cut.head + pack * V);
  }
}

// One row a block at a time. Logits are read twice with a gradient (the second time from the cache,
// where the rows at work fit), and once without.
template <typename T, int kGroup>
__global__ void __launch_bounds__(kGroup, sizeof(Accumulator<T>) == 8 ? 1 : 1024 / kGroup)
    cross_entropy_kernel(T* logits, const std::int32_t* targets, bool want_gradient,
                         Accumulator<T>* losses, std::int64_t rows, std::int64_t width) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    T* const in = logits + row * width;
    const std::int32_t target = targets[row];
    if (target < 0) {
      if (threadIdx.x == 0) losses[row] = A(0);
      if (want_gradient) {
        for (std::int64_t i = threadIdx.x; i < width; i += kGroup) in[i] = narrow<T>(A(0));
      }
      continue;
    }
    const A chosen = widen(in[target]);  // before any thread writes: sums below wait for all
    const AlignedRow<T> cut(in, width);
    ExpSum<A> sum;
    const auto add_one = [&](std::int64_t i) {
      const A value = widen(in[i]);
      const A high = value > sum.largest ? value : sum.largest;
      sum.total = sum.total * exponential(sum.largest - high) + exponential(value - high);
      sum.largest = high;
    };
    if (threadIdx.x < cut.head) add_one(threadIdx.x);
    for_each_pack<kGroup>(in, cut, [&](const Pack<T, V>& values, std::int64_t) {
      A high = sum.largest;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A value = widen(values[j]);
        high = value > high ? value : high;
      }
      A total = sum.total * exponential(sum.largest - high);
#pragma unroll
      for (int j = 0; j < V; ++j) total += exponential_from<T>(widen(values[j]), high);
      sum.total = total;
      sum.largest = high;
    });
    if (cut.tail + threadIdx.x < width) add_one(cut.tail + threadIdx.x);
    sum = group_exp_sum<kGroup>(sum);
    if (threadIdx.x == 0) losses[row] = logarithm(sum.total) + sum.largest - chosen;
    if (!want_gradient) continue;

    const A share = A(1) / sum.total;
    const auto gradient = [&](A value, std::int64_t i) {
      const A probability = exponential_from<T>(value, sum.largest) * share;
      return narrow<T>(i == target ? probability - A(1) : probability);
    };
    if (threadIdx.x < cut.head) {
      in[threadIdx.x] = gradient(widen(in[threadIdx.x]), threadIdx.x);
    }
    for_each_pack<kGroup>(in, cut, [&](const Pack<T, V>& values, std::int64_t at) {
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) out[j] = gradient(widen(values[j]), at + j);
      store<V, true>(in + at, out);
    });
    if (cut.tail + threadIdx.x < width) {
      const std::int64_t at = cut.tail + threadIdx.x;
      in[at] = gradient(widen(in[at]), at);
    }
  }
}

}  // namespace

void cross_entropy(const Tensor& logits, const Tensor& targets, bool want_gradient,
                   const Tensor& losses) {
  on_float(logits.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = logits.dim(0);
    const std::int64_t width = logits.dim(1);
    if (rows == 0) return;
    const Context& context = context_of(logits);
    const auto run = [&](auto group) {
      launch(context, "cross_entropy", cross_entropy_kernel<T, group()>, grid_for(context, rows, 1),
             static_cast<unsigned>(group()), logits.data<T>(), targets.data<std::int32_t>(),
             want_gradient, losses.data<A>(), rows, width);
    };
    // Vocabularies have tens of thousands of classes: large blocks, so that the rows at work stay
    // in the cache for the second reading.
    if (width <= 4096) {
      run(std::integral_constant<int, 128>{});
    } else {
      run(std::integral_constant<int, 512>{});
    }
  });
}

}  // namespace unfold::core::kernels::cuda
