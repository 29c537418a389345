// Attention of a query over the keys of its view and its list (gsa/step_plan.h), by many blocks
// that each take a stretch of the keys; the last block to finish brings their results together, in
// order, so nothing depends on timing.
//
// A key is read by kLanes neighbouring threads, kElements of its elements each; a warp reads
// 32 / kLanes keys side by side. Every such group of threads keeps running sums of its own (online
// softmax) for up to kHeads query heads; groups, then warps, then blocks are merged.
#pragma once

#include <cstring>

#include "core/cuda/overlap.cuh"
#include "core/cuda/pack.cuh"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/scalar.cuh"
#include "gsa/cuda/step_select.h"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kAttendWarps = 8;
inline constexpr int kAttendThreads = kAttendWarps * kWarp;
inline constexpr int kKeysAhead = 4;  // keys that a group of threads loads at once

template <typename T>
struct AttendSource {
  using A = Accumulator<T>;
  const StepQuery* queries;  // the first of the launch
  const StepSection* sections;
  int view;
  const unsigned* list;
  const int* listed;
  std::int64_t list_keys;  // between lists
  A* part_out;
  A* part_sums;
  int* tickets;
  int pieces;  // of kHeads heads in a group
};

// How a thread's elements of a vector lie: kElements in a row, or, for widths that do not divide
// so, every 32nd one.
template <int kLanes, int kElements, bool kPacked>
struct VectorShare {
  static_assert(kPacked || kLanes == kWarp);
  __device__ static int at(int lane, int i) {
    return kPacked ? lane * kElements + i : i * kWarp + lane;
  }
  template <typename T>
  __device__ static core::kernels::cuda::Pack<T, kElements> load(const T* from, int lane,
                                                                 int width) {
    if constexpr (kPacked) {
      return core::kernels::cuda::load<kElements, true>(from + lane * kElements);
    } else {
      core::kernels::cuda::Pack<T, kElements> pack;
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        pack[i] = at(lane, i) < width ? from[at(lane, i)] : T();
      }
      return pack;
    }
  }
};

// exp(x) of differences of scores. For bfloat16, whose rounding is far coarser, by the fast unit.
template <typename T>
__device__ inline Accumulator<T> weight_of(Accumulator<T> x) {
  if constexpr (std::is_same_v<T, core::bfloat16>) {
    return __expf(x);
  } else {
    return exponential(x);
  }
}

// exp(from - to) for maxima from <= to; 0 where nothing was seen.
template <typename T>
__device__ inline Accumulator<T> rescaling(Accumulator<T> from, Accumulator<T> to) {
  return from == minus_infinity<Accumulator<T>>() ? Accumulator<T>(0) : weight_of<T>(from - to);
}

// Elements of shared memory that step_attend needs.
inline std::size_t attend_shared(int heads, int width, int splits, int wide) {
  const int warps = kAttendWarps * heads * width;
  const int parts = heads * splits +
                    (heads * width > kAttendThreads * wide ? heads * width : kAttendThreads * wide);
  return static_cast<std::size_t>(warps > parts ? warps : parts);
}

// Block (x, y, z): stretch x of the keys; key/value head y / pieces and piece y % pieces of its
// heads; query z.
template <typename T, int kHeads, int kLanes, int kElements, bool kPacked>
__global__ void __launch_bounds__(kAttendThreads, kPacked&& kHeads <= 4 && sizeof(T) < 8 ? 2 : 1)
    step_attend(Heads heads, const T* qkv, AttendSource<T> source, T* out) {
  using A = Accumulator<T>;
  using Share = VectorShare<kLanes, kElements, kPacked>;
  constexpr int kGroups = kWarp / kLanes;         // in a warp
  constexpr int kUnits = kAttendWarps * kGroups;  // in a block
  extern __shared__ __align__(16) unsigned char shared[];
  __shared__ StepSpan spans[kStepSpans];
  __shared__ StepSection sections[kStepSections];
  __shared__ A unit_sums[kAttendWarps][kHeads][2];
  __shared__ bool last_block;
  A* unit_out = reinterpret_cast<A*>(shared);  // (warps, kHeads, width)

  core::kernels::cuda::let_next_start();
  const int thread = static_cast<int>(threadIdx.x);
  const int splits = static_cast<int>(gridDim.x);
  const int split = static_cast<int>(blockIdx.x);
  const int kv_head = static_cast<int>(blockIdx.y) / source.pieces;
  const int piece = static_cast<int>(blockIdx.y) % source.pieces;
  const int query = static_cast<int>(blockIdx.z);
  const StepQuery& own = source.queries[query];
  const StepView& view = own.view[source.view];
  const int pair = query * heads.kv_heads + kv_head;
  const int fixed = view.keys;
  const int span_count = view.spans;
  for (int i = thread; i < span_count; i += kAttendThreads) spans[i] = view.span[i];
  if (thread < kStepSections) {
    sections[thread] = source.sections[own.slot * kStepSections + thread];
  }
  core::kernels::cuda::wait_for_previous();

  // Whole rounds of the loop below: a part of one takes as long.
  const int total = fixed + (view.start < 0 ? 0 : source.listed[pair]);
  int stretch = (total + splits - 1) / splits;
  stretch = (stretch + kUnits * kKeysAhead - 1) / (kUnits * kKeysAhead) * (kUnits * kKeysAhead);
  const int begin = split * stretch;
  if (begin >= total) return;
  const int end = total - begin < stretch ? total : begin + stretch;
  const int taking_part = (total + stretch - 1) / stretch;  // blocks

  const int warp = thread / kWarp;
  const int lane = thread % kWarp;
  const int share = lane % kLanes;
  const int unit = warp * kGroups + lane / kLanes;
  const int first_head = piece * kHeads;
  const int count = heads.group - first_head < kHeads ? heads.group - first_head : kHeads;

  const A scale = score_scale<A>(heads.width);
  core::kernels::cuda::Pack<T, kElements> vector[kHeads];
  A largest[kHeads], sum[kHeads], sums[kHeads][kElements];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    largest[h] = minus_infinity<A>();
    sum[h] = A(0);
    const int head = kv_head * heads.group + first_head + (h < count ? h : 0);
    vector[h] = Share::load(qkv + heads.query(own.row, head), share, heads.width);
#pragma unroll
    for (int i = 0; i < kElements; ++i) sums[h][i] = A(0);
  }
  __syncthreads();  // spans and sections

  const unsigned* list = source.list + pair * source.list_keys;
  int span = 0;
  for (int base = begin; base < end; base += kUnits * kKeysAhead) {  // the same for all threads
    core::kernels::cuda::Pack<T, kElements> keys[kKeysAhead], values[kKeysAhead];
    bool there[kKeysAhead];
#pragma unroll
    for (int a = 0; a < kKeysAhead; ++a) {
      const int i = base + a * kUnits + unit;
      there[a] = i < end;
      if (!there[a]) {
        keys[a] = {};
        values[a] = {};
        continue;
      }
      int section, index;
      if (i < fixed) {
        while (span + 1 < span_count && i >= spans[span + 1].before) ++span;
        section = spans[span].section;
        index = spans[span].begin + i - spans[span].before;
      } else {
        const unsigned entry = list[i - fixed];
        section = static_cast<int>(entry >> kListShift);
        index = static_cast<int>(entry & ((1u << kListShift) - 1));
      }
      const StepSection place = sections[section];
      const std::int64_t at =
          kv_head * place.between + static_cast<std::int64_t>(index) * heads.width;
      keys[a] = Share::load(static_cast<const T*>(place.keys) + at, share, heads.width);
      values[a] = Share::load(static_cast<const T*>(place.values) + at, share, heads.width);
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      A scores[kKeysAhead];
      A now = largest[h];
#pragma unroll
      for (int a = 0; a < kKeysAhead; ++a) {
        A score = A(0);
#pragma unroll
        for (int i = 0; i < kElements; ++i) score += widen(vector[h][i]) * widen(keys[a][i]);
#pragma unroll
        for (int offset = kLanes / 2; offset > 0; offset /= 2) {
          score += __shfl_xor_sync(kFullWarp, score, offset);
        }
        scores[a] = score * scale;
        if (there[a] && scores[a] > now) now = scores[a];
      }
      const A rescale = rescaling<T>(largest[h], now);
      largest[h] = now;
      sum[h] *= rescale;
#pragma unroll
      for (int i = 0; i < kElements; ++i) sums[h][i] *= rescale;
#pragma unroll
      for (int a = 0; a < kKeysAhead; ++a) {
        const A weight = there[a] ? weight_of<T>(scores[a] - now) : A(0);
        sum[h] += weight;
#pragma unroll
        for (int i = 0; i < kElements; ++i) sums[h][i] += weight * widen(values[a][i]);
      }
    }
  }

  // Groups of a warp: the first of them keeps what all have.
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int offset = kLanes; offset < kWarp; offset *= 2) {
      const A other = __shfl_xor_sync(kFullWarp, largest[h], offset);
      const A now = other > largest[h] ? other : largest[h];
      const A mine = rescaling<T>(largest[h], now);
      const A theirs = rescaling<T>(other, now);
      largest[h] = now;
      sum[h] = sum[h] * mine + __shfl_xor_sync(kFullWarp, sum[h], offset) * theirs;
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        sums[h][i] = sums[h][i] * mine + __shfl_xor_sync(kFullWarp, sums[h][i], offset) * theirs;
      }
    }
    if (lane >= kLanes) continue;
    if (lane == 0) {
      unit_sums[warp][h][0] = largest[h];
      unit_sums[warp][h][1] = sum[h];
    }
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      const int d = Share::at(share, i);
      if (d < heads.width) unit_out[(warp * kHeads + h) * heads.width + d] = sums[h][i];
    }
  }
  __syncthreads();

  // Warps of the block.
  const auto part_at = [&](int s, int h) {
    return (static_cast<std::int64_t>(pair) * splits + s) * heads.group + first_head + h;
  };
  for (int item = thread; item < count * heads.width; item += kAttendThreads) {
    const int h = item / heads.width;
    const int d = item % heads.width;
    A now = unit_sums[0][h][0];
#pragma unroll
    for (int w = 1; w < kAttendWarps; ++w) {
      now = unit_sums[w][h][0] > now ? unit_sums[w][h][0] : now;
    }
    A whole = A(0);
    A value = A(0);
#pragma unroll
    for (int w = 0; w < kAttendWarps; ++w) {
      const A weight = rescaling<T>(unit_sums[w][h][0], now);
      whole += weight * unit_sums[w][h][1];
      value += weight * unit_out[(w * kHeads + h) * heads.width + d];
    }
    if (taking_part == 1) {
      const int head = kv_head * heads.group + first_head + h;
      out[heads.out(own.row, head) + d] = narrow<T>(value / whole);
      continue;
    }
    source.part_out[part_at(split, h) * heads.width + d] = value;
    if (d == 0) {
      source.part_sums[part_at(split, h) * 2] = now;
      source.part_sums[part_at(split, h) * 2 + 1] = whole;
    }
  }
  if (taking_part == 1) return;

  // Blocks. What others wrote is read past the first-level cache.
  __syncthreads();  // all of this block's part is written
  if (thread == 0) {
    __threadfence();
    int* ticket = source.tickets + query * heads.heads + kv_head * source.pieces + piece;
    last_block = atomicAdd(ticket, 1) == taking_part - 1;
    if (last_block) *ticket = 0;  // nobody else comes; the next kernel finds zero
    __threadfence();
  }
  __syncthreads();
  if (!last_block) return;
  A* weights = unit_out;                   // (count, taking_part)
  A* slices = unit_out + kHeads * splits;  // (slices of the parts, count, width)
  for (int h = warp; h < count; h += kAttendWarps) {
    constexpr int kEach = static_cast<int>(kMostSplits) / kWarp;
    static_assert(kMostSplits % kWarp == 0);
    A theirs[kEach], wholes[kEach];
    A now = minus_infinity<A>();
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int s = i * kWarp + lane;
      const bool there = s < taking_part;
      theirs[i] = there ? __ldcg(source.part_sums + part_at(s, h) * 2) : minus_infinity<A>();
      wholes[i] = there ? __ldcg(source.part_sums + part_at(s, h) * 2 + 1) : A(0);
      now = theirs[i] > now ? theirs[i] : now;
    }
    now = warp_max(now);
    A whole = A(0);
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int s = i * kWarp + lane;
      const A weight = rescaling<T>(theirs[i], now);
      if (s < taking_part) weights[h * taking_part + s] = weight;
      whole += weight * wholes[i];
    }
    whole = warp_sum(whole);
    if (lane == 0) unit_sums[0][h][0] = whole;
  }
  __syncthreads();
  // 16 bytes of a head at a time, where its width allows; slices of the parts side by side.
  constexpr int kWide = 16 / static_cast<int>(sizeof(A));
  const int wide = heads.width % kWide == 0 ? kWide : 1;
  const int elements = count * heads.width;
  const int items = elements / wide;
  const int slice_count = items < kAttendThreads ? kAttendThreads / items : 1;
  for (int at = thread; at < items * slice_count; at += kAttendThreads) {
    const int item = at % items;
    const int slice = at / items;
    const int h = item * wide / heads.width;
    const int d = item * wide % heads.width;
    A value[kWide] = {};
#pragma unroll 8
    for (int s = slice; s < taking_part; s += slice_count) {
      const A weight = weights[h * taking_part + s];
      const A* from = source.part_out + part_at(s, h) * heads.width + d;
      if (wide == 1) {
        value[0] += weight * __ldcg(from);
        continue;
      }
      const float4 words = __ldcg(reinterpret_cast<const float4*>(from));
      A loaded[kWide];
      memcpy(loaded, &words, sizeof(words));
#pragma unroll
      for (int i = 0; i < kWide; ++i) value[i] += weight * loaded[i];
    }
#pragma unroll
    for (int i = 0; i < kWide; ++i) {
      if (i < wide) slices[slice * elements + item * wide + i] = value[i];
    }
  }
  __syncthreads();
  for (int item = thread; item < elements; item += kAttendThreads) {
    const int h = item / heads.width;
    A value = A(0);
    for (int slice = 0; slice < slice_count; ++slice) value += slices[slice * elements + item];
    const int head = kv_head * heads.group + first_head + h;
    out[heads.out(own.row, head) + item % heads.width] = narrow<T>(value / unit_sums[0][h][0]);
  }
}

}  // namespace unfold::gsa::kernels::cuda
