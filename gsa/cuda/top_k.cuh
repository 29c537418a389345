// The k best of some scores, by one block: exactly those of top_indices (gsa/selection.h), ties to
// the lower index.
//
// One pass finds the range of the scores, rounded to float, which is cut into 1024 equal bins; a
// histogram says in which bin the k-th best lies. What is in better bins is picked; those of that
// bin, few as a rule, are ranked against each other, unrounded. No rounding on the way to a bin
// falls where the score rises, so bins order scores as scores do. Counts are sums of integers: the
// order of atomics changes nothing.
#pragma once

#include <cfloat>

#include "gsa/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kSelectThreads = 1024;
inline constexpr int kSelectWarps = kSelectThreads / kWarp;

struct TopKScratch {
  int histogram[kSelectThreads];
  double tied_score[kSelectThreads];
  int tied_index[kSelectThreads];
  int low[kSelectWarps], high[kSelectWarps];  // as_order() of scores
  int warps[kSelectWarps];
  int bin, needed, tied;
};

// The sum over the threads before this one, and over all in `total`. All threads of the block;
// `warps` is free again behind the next barrier.
__device__ inline int exclusive_sum(int value, int* warps, int& total) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  int sum = value;
#pragma unroll
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int before = __shfl_up_sync(kFullWarp, sum, offset);
    if (lane >= offset) sum += before;
  }
  __syncthreads();  // warps has been read
  if (lane == kWarp - 1) warps[warp] = sum;
  __syncthreads();
  int all = warps[lane];  // as many warps as lanes
#pragma unroll
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int before = __shfl_up_sync(kFullWarp, all, offset);
    if (lane >= offset) all += before;
  }
  total = __shfl_sync(kFullWarp, all, kWarp - 1);
  const int before_warp = __shfl_sync(kFullWarp, all, warp > 0 ? warp - 1 : 0);
  return (warp > 0 ? before_warp : 0) + sum - value;
}
static_assert(kSelectWarps == kWarp);

// Integers in the order of floats, and back: a warp finds the least of integers at once.
__device__ inline int as_order(float value) {
  const int bits = __float_as_int(value);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ inline float from_order(int order) {
  return __int_as_float(order ^ (order >> 31 & 0x7fffffff));
}

struct ScoreBins {
  float low, scale;  // scale 0: all scores are taken for equal
  __device__ int operator()(double score) const {
    if (scale == 0.0f) return 0;
    const int bin = static_cast<int>((static_cast<float>(score) - low) * scale);
    return bin < 0 ? 0 : (bin < kSelectThreads ? bin : kSelectThreads - 1);
  }
};

// Calls pick(i) once for each of the k best of scores[0, n). All threads of the block; scores were
// written by it or a kernel before.
template <typename Pick>
__device__ void for_top(const double* scores, int n, int k, TopKScratch& scratch, Pick&& pick) {
  const int thread = static_cast<int>(threadIdx.x);
  if (k >= n) {
    for (int i = thread; i < n; i += kSelectThreads) pick(i);
    return;
  }
  if (k <= 0) return;
  int low = as_order(FLT_MAX);
  int high = as_order(-FLT_MAX);
  for (int i = thread; i < n; i += kSelectThreads) {
    const int score = as_order(static_cast<float>(scores[i]));
    low = score < low ? score : low;
    high = score > high ? score : high;
  }
  low = __reduce_min_sync(kFullWarp, low);
  high = __reduce_max_sync(kFullWarp, high);
  __syncthreads();  // the scratch of a call before
  if (thread % kWarp == 0) {
    scratch.low[thread / kWarp] = low;
    scratch.high[thread / kWarp] = high;
  }
  scratch.histogram[thread] = 0;
  if (thread == 0) scratch.tied = 0;
  __syncthreads();
  low = __reduce_min_sync(kFullWarp, scratch.low[thread % kWarp]);  // as many warps as lanes
  high = __reduce_max_sync(kFullWarp, scratch.high[thread % kWarp]);
  const float range = from_order(high) - from_order(low);
  const float scale = kSelectThreads / range;
  const bool spread = range > 0.0f && range <= FLT_MAX && scale <= FLT_MAX;
  const ScoreBins bin_of{from_order(low), spread ? scale : 0.0f};
  for (int i = thread; i < n; i += kSelectThreads) {
    atomicAdd(&scratch.histogram[bin_of(scores[i])], 1);
  }
  __syncthreads();
  // Thread t counts from the best bin down.
  const int bin = kSelectThreads - 1 - thread;
  const int own = scratch.histogram[bin];
  int total = 0;
  const int better = exclusive_sum(own, scratch.warps, total);
  if (better < k && k <= better + own) {
    scratch.bin = bin;
    scratch.needed = k - better;
  }
  __syncthreads();
  const int last_bin = scratch.bin;
  const int needed = scratch.needed;
  const int tied = scratch.histogram[last_bin];
  const bool all_tied = tied == needed;
  for (int i = thread; i < n; i += kSelectThreads) {
    const double score = scores[i];
    const int at = bin_of(score);
    if (at > last_bin || (at == last_bin && all_tied)) {
      pick(i);
    } else if (at == last_bin && tied <= kSelectThreads) {
      const int place = atomicAdd(&scratch.tied, 1);
      scratch.tied_score[place] = score;
      scratch.tied_index[place] = i;
    } else if (at == last_bin) {
      // As good as never: most scores are equal, or nearly so.
      int rank = 0;
      for (int other = 0; other < n; ++other) {
        const double theirs = scores[other];
        rank += bin_of(theirs) == last_bin && (theirs > score || (theirs == score && other < i));
      }
      if (rank < needed) pick(i);
    }
  }
  if (all_tied || tied > kSelectThreads) return;
  __syncthreads();
  if (thread < tied) {
    const double score = scratch.tied_score[thread];
    const int index = scratch.tied_index[thread];
    int rank = 0;
    for (int other = 0; other < tied; ++other) {
      const double theirs = scratch.tied_score[other];
      rank += theirs > score || (theirs == score && scratch.tied_index[other] < index);
    }
    if (rank < needed) pick(index);
  }
}

}  // namespace unfold::gsa::kernels::cuda
