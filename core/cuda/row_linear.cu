#include "core/kernels/row_linear.h"

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/cuda/row_product.h"
#include "core/cuda/sums.cuh"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kBlock = kWarps * 32;
constexpr int kAhead = 4;  // packs of a weight row that a lane has under way

template <typename T>
struct Operands {
  using A = Accumulator<T>;
  const T* x;
  std::int64_t x_stride;
  const T* norm;
  A eps;
  bool swiglu;
  const T* weight;
  std::int64_t weight_stride;
  const T* bias;
  const T* residual;
  std::int64_t residual_stride;
  T* y;
  std::int64_t y_stride;
  int rows;
  std::int64_t outputs;
  std::int64_t inner;
};

// f(x), rounded, to shared memory: rows of `padded` elements, a whole number of packs; zeros behind
// their ends and in rows that do not exist. All threads of the block.
template <typename T, int kRows, bool kAligned>
__device__ void stage(const Operands<T>& in, T* staged, std::int64_t padded) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  for (int row = 0; row < kRows; ++row) {
    const bool there = row < in.rows;
    const T* from = in.x + (there ? row : 0) * in.x_stride;
    A inverse = A(1);
    if (in.norm != nullptr && there) {  // the same for all threads
      A squares = 0;
      for (std::int64_t i = threadIdx.x * V; i < in.inner; i += kBlock * V) {
        const auto values = load<V, kAligned>(from + i, in.inner - i);
#pragma unroll
        for (int j = 0; j < V; ++j) squares += widen(values[j]) * widen(values[j]);
      }
      squares = group_sum<kBlock>(squares);
      inverse = A(1) / square_root(squares / static_cast<A>(in.inner) + in.eps);
    }
    for (std::int64_t i = threadIdx.x * V; i < padded; i += kBlock * V) {
      const std::int64_t left = there ? in.inner - i : 0;
      auto values = load<V, kAligned>(from + (there ? i : 0), left);
      if (in.norm != nullptr) {
        const auto weights = load<V, kAligned>(in.norm + (there ? i : 0), left);
#pragma unroll
        for (int j = 0; j < V; ++j) {
          values[j] = narrow<T>(widen(values[j]) * inverse * widen(weights[j]));
        }
      } else if (in.swiglu) {
        const auto ups = load<V, kAligned>(from + in.inner + (there ? i : 0), left);
#pragma unroll
        for (int j = 0; j < V; ++j) {
          const A gate = widen(values[j]);
          values[j] = narrow<T>(gate * widen(ups[j]) / (A(1) + exponential(-gate)));
        }
      }
      store<V, true>(staged + row * padded + i, values);
    }
  }
}

// A warp makes kOutputs neighbouring outputs of all rows at a time. Its weights are read once, one
// stretch of kAhead packs a lane ahead of the sums; the first stretch before the rows are staged.
// The order of a sum is fixed by K alone.
template <typename T, int kRows, int kOutputs, bool kAligned>
__global__ void __launch_bounds__(kBlock) row_linear_kernel(Operands<T> in) {
  using A = Accumulator<T>;
  constexpr int V = kPack<T>;
  extern __shared__ __align__(16) unsigned char shared[];
  T* staged = reinterpret_cast<T*>(shared);
  const std::int64_t packs = (in.inner + V - 1) / V;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kWarps * kOutputs;
  std::int64_t output =
      (static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32) * kOutputs;

  Pack<T, V> ahead[kOutputs][kAhead];
  const auto fetch = [&](std::int64_t first, std::int64_t base) {
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
      const T* row = in.weight + (first + o) * in.weight_stride;
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        const std::int64_t at = base + a * 32 + lane;
        if (first + o < in.outputs && at < packs) {
          ahead[o][a] = load<V, kAligned>(row + at * V, in.inner - at * V);
        } else {
          ahead[o][a] = Pack<T, V>{};
        }
      }
    }
  };
  if (output < in.outputs) fetch(output, 0);
  stage<T, kRows, kAligned>(in, staged, packs * V);
  __syncthreads();

  A sums[kOutputs][kRows] = {};
  std::int64_t base = 0;
  while (output < in.outputs) {
    Pack<T, V> now[kOutputs][kAhead];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
      for (int a = 0; a < kAhead; ++a) now[o][a] = ahead[o][a];
    }
    const bool last = base + kAhead * 32 >= packs;
    const std::int64_t next_output = last ? output + step : output;
    const std::int64_t next_base = last ? 0 : base + kAhead * 32;
    if (next_output < in.outputs) fetch(next_output, next_base);
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const std::int64_t at = base + a * 32 + lane;
      if (at >= packs) continue;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const auto values = load<V, true>(staged + (r * packs + at) * V);
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
          for (int j = 0; j < V; ++j) sums[o][r] += widen(now[o][a][j]) * widen(values[j]);
        }
      }
    }
    if (last) {
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          A sum = warp_sum(sums[o][r]);
          sums[o][r] = A(0);
          const std::int64_t column = output + o;
          if (lane != 0 || r >= in.rows || column >= in.outputs) continue;
          if (in.bias != nullptr) sum += widen(in.bias[column]);
          if (in.residual != nullptr) {
            sum += widen(in.residual[r * in.residual_stride + column]);
          }
          in.y[r * in.y_stride + column] = narrow<T>(sum);
        }
      }
    }
    output = next_output;
    base = next_base;
  }
}

template <typename T, int kRows, int kOutputs, bool kAligned>
void launch_rows(const Context& context, const Operands<T>& in) {
  constexpr int V = kPack<T>;
  const auto kernel = row_linear_kernel<T, kRows, kOutputs, kAligned>;
  const std::size_t bytes =
      static_cast<std::size_t>(kRows * divide_up(in.inner, V) * V) * sizeof(T);
  if (bytes > std::size_t{32} << 10) {
    core::cuda::check_status(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kStagedRowBytes)),
        "row_linear");
  }
  // Few enough blocks that staging the rows does not count where there are many outputs.
  const auto grid = static_cast<unsigned>(std::min<std::int64_t>(
      divide_up(in.outputs, kWarps * kOutputs), std::int64_t{8} * context.properties().processors));
  kernel<<<grid, kBlock, bytes, context.stream()>>>(in);
  core::cuda::check_status(cudaGetLastError(), "row_linear");
}

// Whether `rows` rows of `inner` elements can be staged.
template <typename T>
bool fits(std::int64_t rows, std::int64_t inner) {
  return static_cast<std::size_t>(rows * (inner + kPack<T>)) * sizeof(T) <= kStagedRowBytes;
}

// At most kFewRows rows, as many at a time as can be staged. False when not even one can.
template <typename T>
bool run_rows(const Context& context, Operands<T> in, bool aligned) {
  if (!fits<T>(1, in.inner)) return false;
  for (int left = in.rows; left > 0;) {
    int taken = 8;
    while (taken > 1 && (taken / 2 >= left || !fits<T>(taken, in.inner))) taken /= 2;
    if (!aligned && taken > 1) taken = fits<T>(8, in.inner) ? 8 : 1;
    in.rows = std::min(taken, left);
    if (!aligned) {
      taken == 8 ? launch_rows<T, 8, 1, false>(context, in)
                 : launch_rows<T, 1, 1, false>(context, in);
    } else if (taken == 8) {
      launch_rows<T, 8, 1, true>(context, in);
    } else if (taken == 4) {
      launch_rows<T, 4, 1, true>(context, in);
    } else if (taken == 2) {
      launch_rows<T, 2, 1, true>(context, in);
    } else if (in.outputs >= 2048) {  // enough warps for every processor
      launch_rows<T, 1, 2, true>(context, in);
    } else {
      launch_rows<T, 1, 1, true>(context, in);
    }
    in.x += in.rows * in.x_stride;
    in.y += in.rows * in.y_stride;
    if (in.residual != nullptr) in.residual += in.rows * in.residual_stride;
    left -= in.rows;
  }
  return true;
}

bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

}  // namespace

bool multiply_few_rows(const core::cuda::Product& product) {
  const std::int64_t rows = product.rows();
  if (product.transpose_a || !product.transpose_b || rows > kFewRows || product.alpha != 1.0 ||
      (product.beta != 0.0 && product.beta != 1.0) || product.a.dtype() != product.c.dtype() ||
      product.inner() == 0) {
    return false;
  }
  bool done = false;
  on_float(product.c.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int V = kPack<T>;
    Operands<T> in{};
    in.x = product.a.data<T>();
    in.x_stride = product.a.strides()[0];
    in.weight = product.b.data<T>();
    in.weight_stride = product.b.strides()[0];
    if (product.bias != nullptr) in.bias = product.bias->data<T>();
    if (product.beta != 0.0) {
      in.residual = product.added().data<T>();
      in.residual_stride = product.added().strides()[0];
    }
    in.y = product.c.data<T>();
    in.y_stride = product.c.strides()[0];
    in.rows = static_cast<int>(rows);
    in.outputs = product.columns();
    in.inner = product.inner();
    const bool aligned = in.inner % V == 0 && (rows == 1 || in.x_stride % V == 0) &&
                         (in.outputs == 1 || in.weight_stride % V == 0) && is_aligned(in.x) &&
                         is_aligned(in.weight);
    done = run_rows<T>(context_of(product.c), in, aligned);
  });
  return done;
}

void row_linear(const Tensor& x, const Tensor& weight, const RowLinear& around, const Tensor& y) {
  if (y.size() == 0) return;
  bool done = false;
  if (y.dim(0) <= kFewRows && weight.dim(1) > 0) {
    on_float(y.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      constexpr int V = kPack<T>;
      const auto pointer = [](const Tensor& tensor) {
        return tensor.defined() ? tensor.data<T>() : nullptr;
      };
      Operands<T> in{};
      in.x = x.data<T>();
      in.x_stride = x.dim(1);
      in.norm = pointer(around.norm);
      in.eps = static_cast<Accumulator<T>>(around.eps);
      in.swiglu = around.swiglu;
      in.weight = weight.data<T>();
      in.weight_stride = weight.strides()[0];
      in.bias = pointer(around.bias);
      in.residual = pointer(around.residual);
      in.residual_stride = y.dim(1);
      in.y = y.data<T>();
      in.y_stride = y.dim(1);
      in.rows = static_cast<int>(y.dim(0));
      in.outputs = weight.dim(0);
      in.inner = weight.dim(1);
      const bool aligned = in.inner % V == 0 && (in.outputs == 1 || in.weight_stride % V == 0) &&
                           is_aligned(in.x) && is_aligned(in.weight) && is_aligned(in.norm);
      done = run_rows<T>(context_of(y), in, aligned);
    });
  }
  if (!done) row_linear_by_parts(x, weight, around, y);
}

}  // namespace unfold::core::kernels::cuda
