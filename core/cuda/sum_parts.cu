#include "core/cuda/sum_parts.h"

#include <array>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/float_types.h"

namespace unfold::core::cuda {
namespace {

using kernels::Accumulator;
using kernels::cuda::divide_up;
using kernels::cuda::kPack;
using kernels::cuda::kThreads;
using kernels::cuda::Pack;

// The device has other work: short, and no more blocks than keep its memory busy.
constexpr std::int64_t kMostBlocks = 256;
constexpr std::size_t kMostSums = 32;  // in a launch: arguments of a kernel are 4 KiB at the most

// Sums are cut into tiles of a pack a thread; blocks take tiles in turn.
struct Sums {
  PartsSum at[kMostSums];
  std::int64_t end[kMostSums];  // the tile behind the last one of a sum, counted over all
  bool aligned[kMostSums];
  std::int64_t tiles;
  int parts;
};

template <bool kAligned, typename T>
__device__ void sum_pack(const PartsSum& sum, int parts, std::int64_t begin) {
  using A = Accumulator<T>;
  constexpr int N = kPack<T>;
  const std::int64_t left = sum.count - begin;
  if (left <= 0) return;
  // All loads are under way before the first is needed, and before anything is stored.
  Pack<T, N> values[kMostParts];
#pragma unroll
  for (int part = 0; part < kMostParts; ++part) {
    if (part < parts) {
      values[part] =
          kernels::cuda::load<N, kAligned>(static_cast<const T*>(sum.parts[part]) + begin, left);
    }
  }
  A total[N];
#pragma unroll
  for (int part = 0; part < kMostParts; ++part) {
    if (part >= parts) continue;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const A value = static_cast<A>(static_cast<T>(values[part][j]));
      total[j] = part == 0 ? value : total[j] + value;
    }
  }
  Pack<T, N> result;
#pragma unroll
  for (int j = 0; j < N; ++j) result[j] = static_cast<T>(total[j]);
  kernels::cuda::store<N, kAligned>(static_cast<T*>(sum.out) + begin, result, left);
  if (sum.second != nullptr) {
    kernels::cuda::store<N, kAligned>(static_cast<T*>(sum.second) + begin, result, left);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) sum_parts_kernel(const __grid_constant__ Sums sums) {
  int item = 0;
  for (std::int64_t tile = blockIdx.x; tile < sums.tiles; tile += gridDim.x) {
    while (tile >= sums.end[item]) ++item;
    const std::int64_t first = item == 0 ? 0 : sums.end[item - 1];
    const std::int64_t begin = ((tile - first) * kThreads + threadIdx.x) * kPack<T>;
    if (sums.aligned[item]) {
      sum_pack<true, T>(sums.at[item], sums.parts, begin);
    } else {
      sum_pack<false, T>(sums.at[item], sums.parts, begin);
    }
  }
}

bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}
bool is_aligned(const PartsSum& sum, int parts) {
  return is_aligned(sum.out) && is_aligned(sum.second) &&
         std::all_of(sum.parts, sum.parts + parts,
                     [](const void* part) { return is_aligned(part); });
}

}  // namespace

void sum_parts(DType dtype, int parts, std::span<const PartsSum> sums, void* stream) {
  check(parts >= 1 && parts <= kMostParts, "kernel", "a sum of {} parts", parts);
  kernels::on_float(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    while (!sums.empty()) {
      Sums taken = {};
      static_assert(sizeof taken <= 4096);
      taken.parts = parts;
      const std::size_t count = std::min(sums.size(), kMostSums);
      for (std::size_t i = 0; i < count; ++i) {
        taken.at[i] = sums[i];
        taken.aligned[i] = is_aligned(sums[i], parts);
        taken.tiles += divide_up(sums[i].count, std::int64_t{kThreads} * kPack<T>);
        taken.end[i] = taken.tiles;
      }
      sums = sums.subspan(count);
      if (taken.tiles == 0) continue;
      sum_parts_kernel<T><<<static_cast<unsigned>(std::min(taken.tiles, kMostBlocks)), kThreads, 0,
                            static_cast<cudaStream_t>(stream)>>>(taken);
      check_status(cudaGetLastError(), "sum_parts");
    }
  });
}

}  // namespace unfold::core::cuda
