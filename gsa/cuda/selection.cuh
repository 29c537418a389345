// Device side of selection: ordering keys of scores, and the k best of many by radix selection.
#pragma once

#include "gsa/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kSelectThreads = 128;

// An unsigned number that is larger where the score is, equal where it is equal (-0 and 0 are).
__device__ inline unsigned ordered(float score) {
  const unsigned bits = score == 0.0f ? 0u : __float_as_uint(score);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ inline unsigned long long ordered(double score) {
  const unsigned long long bits =
      score == 0.0 ? 0ull : static_cast<unsigned long long>(__double_as_longlong(score));
  return (bits >> 63) != 0 ? ~bits : bits | 0x8000000000000000ull;
}
template <typename A>
using OrderedKey = decltype(ordered(A()));

// Which of n keys are the `count` largest: all above `threshold`, and the first `ties` of those
// equal to it.
template <typename Key>
struct Cut {
  Key threshold;
  int ties;
};

struct SelectShared {
  int histogram[256];
  int digit, left;
};

// 0 < count < n. All threads of the block call it and get the same; it ends with a barrier.
template <typename Key>
__device__ Cut<Key> find_cut(const Key* keys, int n, int count, SelectShared& shared) {
  constexpr int kBits = static_cast<int>(sizeof(Key)) * 8;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Key prefix = 0;
  Key mask = 0;
  int left = count;  // to be taken among the keys that begin with the prefix
  for (int shift = kBits - 8; shift >= 0; shift -= 8) {
    for (int i = threadIdx.x; i < 256; i += kSelectThreads) shared.histogram[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += kSelectThreads) {
      const Key key = keys[i];
      if ((key & mask) == prefix) {
        atomicAdd(&shared.histogram[static_cast<int>((key >> shift) & 255)], 1);
      }
    }
    __syncthreads();
    if (threadIdx.x < kWarp) {  // lane 0 has the eight highest digits
      int own = 0;
      for (int i = 0; i < 8; ++i) own += shared.histogram[255 - 8 * lane - i];
      int before = own;
#pragma unroll
      for (int offset = 1; offset < kWarp; offset *= 2) {
        const int other = __shfl_up_sync(kFullWarp, before, offset);
        if (lane >= offset) before += other;
      }
      before -= own;
      if (before < left && left <= before + own) {
        int i = 0;
        while (before + shared.histogram[255 - 8 * lane - i] < left) {
          before += shared.histogram[255 - 8 * lane - i];
          ++i;
        }
        shared.digit = 255 - 8 * lane - i;
        shared.left = left - before;
      }
    }
    __syncthreads();
    prefix |= static_cast<Key>(shared.digit) << shift;
    mask |= static_cast<Key>(255) << shift;
    left = shared.left;
  }
  __syncthreads();
  return {prefix, left};
}

// The sum of `value` over the lanes up to this one. One warp.
__device__ inline int warp_prefix(int value) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int other = __shfl_up_sync(kFullWarp, value, offset);
    if (lane >= offset) value += other;
  }
  return value;
}

}  // namespace unfold::gsa::kernels::cuda
