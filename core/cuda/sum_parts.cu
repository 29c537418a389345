#include "core/cuda/sum_parts.h"

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/float_types.h"

namespace unfold::core::cuda {
namespace {

using kernels::Accumulator;
using kernels::cuda::kPack;
using kernels::cuda::kThreads;
using kernels::cuda::Pack;

// The device has other work: short, and no more blocks than keep its memory busy.
constexpr std::int64_t kMostBlocks = 1024;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    sum_parts_kernel(const T* in, int parts, std::int64_t count, T* out) {
  using A = Accumulator<T>;
  constexpr int N = kPack<T>;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads * N;
  for (std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
       i < count; i += step) {
    A sum[N];
    for (int part = 0; part < parts; ++part) {
      const Pack<T, N> values = kernels::cuda::load<N, true>(in + part * count + i);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const A value = static_cast<A>(static_cast<T>(values[j]));
        sum[j] = part == 0 ? value : sum[j] + value;
      }
    }
    Pack<T, N> result;
#pragma unroll
    for (int j = 0; j < N; ++j) result[j] = static_cast<T>(sum[j]);
    kernels::cuda::store<N, true>(out + i, result);
  }
}

}  // namespace

void sum_parts(DType dtype, const void* in, int parts, std::int64_t count, void* out,
               void* stream) {
  if (count == 0) return;
  kernels::on_float(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t blocks = kernels::cuda::divide_up(count, std::int64_t{kThreads} * kPack<T>);
    sum_parts_kernel<T><<<static_cast<unsigned>(std::min(blocks, kMostBlocks)), kThreads, 0,
                          static_cast<cudaStream_t>(stream)>>>(static_cast<const T*>(in), parts,
                                                               count, static_cast<T*>(out));
    check_status(cudaGetLastError(), "sum_parts");
  });
}

}  // namespace unfold::core::cuda
