// Kernels of selection on the device (gsa/cuda/step_select.h).
#pragma once

#include "core/cuda/overlap.cuh"
#include "core/cuda/pack.cuh"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/step_select.h"
#include "gsa/cuda/top_k.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kKeyLanes = 8;  // threads that score a key together
inline constexpr int kScoreThreads = 256;
inline constexpr int kScoreKeys = 64;  // a block scores, two a group of lanes
inline constexpr int kScoreHeads = 4;  // scored in one pass over a key

// The workspace of one query. Extents as in StepWorkspace.
struct SelectSpace {
  std::int64_t gists, keys, words;
  int levels;
  double* scores;
  int* candidates;
  unsigned* flags;
  unsigned* list;
  int* listed;
  int* tickets;
  unsigned long long* reads;  // (slots, 2)

  __device__ double* scores_of(int query, int head, int heads) const {
    return scores + (static_cast<std::int64_t>(query) * heads + head) * gists;
  }
  __device__ int* candidates_of(int query, int head, int heads) const {
    return candidates + (static_cast<std::int64_t>(query) * heads + head) * gists;
  }
  __device__ unsigned* flags_of(int query, int head, int heads, int level) const {
    return flags + ((static_cast<std::int64_t>(query) * heads + head) * levels + level) * words;
  }
};

// What the kernels read of a plan.
struct SelectSource {
  const StepQuery* queries;  // the first of the launch
  const StepChildren* children;
  const StepSection* sections;
  int view;
};

// What a lane takes of a key at first: kHeldPacks times V elements, kKeyLanes * V apart. Zeros
// where there is no key or no element. width is a multiple of V.
inline constexpr int kHeldPacks = 2;
template <int V, typename T>
struct HeldKey {
  const T* key;
  core::kernels::cuda::Pack<T, V> packs[kHeldPacks];

  __device__ HeldKey(const T* from, int width) : key(from) {
    const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
#pragma unroll
    for (int p = 0; p < kHeldPacks; ++p) {
      const int d = (p * kKeyLanes + lane) * V;
      packs[p] = key != nullptr && d < width ? core::kernels::cuda::load<V, true>(key + d)
                                             : core::kernels::cuda::Pack<T, V>{};
    }
  }
};

// Products of `count` (at most kScoreHeads) query vectors, in double and `width` apart, with a key,
// taken by kKeyLanes neighbouring threads; in all of them. The order of the sum is that of every
// other key.
template <int V, typename T>
__device__ inline void score_key(const double* query, int count, const HeldKey<V, T>& held,
                                 int width, double (&sums)[kScoreHeads]) {
  const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
  const auto add = [&](int d, const core::kernels::cuda::Pack<T, V>& elements) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const double element = static_cast<double>(widen(elements[i]));
#pragma unroll
      for (int h = 0; h < kScoreHeads; ++h) {
        if (h < count) sums[h] += query[h * width + d + i] * element;
      }
    }
  };
#pragma unroll
  for (int h = 0; h < kScoreHeads; ++h) sums[h] = 0;
  if (held.key != nullptr) {
#pragma unroll
    for (int p = 0; p < kHeldPacks; ++p) {
      const int d = (p * kKeyLanes + lane) * V;
      if (d < width) add(d, held.packs[p]);
    }
    for (int d = (kHeldPacks * kKeyLanes + lane) * V; d < width; d += kKeyLanes * V) {
      add(d, core::kernels::cuda::load<V, true>(held.key + d));
    }
  }
#pragma unroll
  for (int h = 0; h < kScoreHeads; ++h) {
    if (h >= count) break;
#pragma unroll
    for (int offset = kKeyLanes / 2; offset > 0; offset /= 2) {
      sums[h] += __shfl_xor_sync(kFullWarp, sums[h], offset);
    }
  }
}

template <typename T>
__device__ inline const T* key_at(const StepSection& place, int kv_head, int index, int width) {
  return static_cast<const T*>(place.keys) + kv_head * place.between +
         static_cast<std::int64_t>(index) * width;
}

// Block (x, y, z): kScoreKeys gists of the level where query z starts, key/value head y. Dynamic
// shared memory: the group's queries in double.
template <typename T, int V>
__global__ void __launch_bounds__(kScoreThreads)
    step_scores(Heads heads, const T* qkv, SelectSource source, SelectSpace space) {
  extern __shared__ __align__(16) unsigned char shared[];
  double* query = reinterpret_cast<double*>(shared);
  core::kernels::cuda::let_next_start();
  const StepQuery& own = source.queries[blockIdx.z];
  const StepView& view = own.view[source.view];
  const int start = view.start;
  core::kernels::cuda::wait_for_previous();
  if (start < 0) return;
  const int gists = view.gists[start];
  const int first = static_cast<int>(blockIdx.x) * kScoreKeys;
  if (first >= gists) return;
  const int kv_head = static_cast<int>(blockIdx.y);
  const StepSection place = source.sections[own.slot * kStepSections + start + 1];
  constexpr int kSideBySide = kScoreThreads / kKeyLanes;
  const int own_key = first + static_cast<int>(threadIdx.x) / kKeyLanes;
  const auto held = [&](int round) {
    const int j = own_key + round * kSideBySide;
    return HeldKey<V, T>(j < gists ? key_at<T>(place, kv_head, j, heads.width) : nullptr,
                         heads.width);
  };
  static_assert(kScoreKeys == 2 * kSideBySide);
  const HeldKey<V, T> keys[2] = {held(0), held(1)};  // under way while the queries are staged
  const T* from = qkv + heads.query(own.row, kv_head * heads.group);
  for (int i = static_cast<int>(threadIdx.x); i < heads.group * heads.width; i += kScoreThreads) {
    query[i] = static_cast<double>(widen(from[i]));
  }
  __syncthreads();
#pragma unroll
  for (int round = 0; round < 2; ++round) {
    const int j = own_key + round * kSideBySide;
    for (int h = 0; h < heads.group; h += kScoreHeads) {
      const int count = heads.group - h < kScoreHeads ? heads.group - h : kScoreHeads;
      double sums[kScoreHeads];
      score_key(query + h * heads.width, count, keys[round], heads.width, sums);
      if (j >= gists || threadIdx.x % kKeyLanes != 0) continue;
#pragma unroll
      for (int i = 0; i < kScoreHeads; ++i) {
        if (i >= count) continue;
        space.scores_of(static_cast<int>(blockIdx.z), kv_head * heads.group + h + i,
                        heads.heads)[j] = sums[i];
      }
    }
  }
}

// Consecutive gists that a thread looks at in one sweep.
inline constexpr int kSweep = 4;

// The children of the flagged gists of a level, ascending, to `candidates`; returns how many.
__device__ inline int list_children(const unsigned* flags, int gists, const int* first_child,
                                    int* candidates, int* warps) {
  int count = 0;
  for (int base = 0; base < gists; base += kSelectThreads * kSweep) {
    const int own = base + static_cast<int>(threadIdx.x) * kSweep;
    int begin[kSweep], length[kSweep];
    int sum = 0;
#pragma unroll
    for (int i = 0; i < kSweep; ++i) {
      const int j = own + i;
      const bool picked = j < gists && (__ldcg(flags + j / 32) >> (j % 32) & 1u) != 0;
      begin[i] = picked ? first_child[j] : 0;
      length[i] = picked ? first_child[j + 1] - begin[i] : 0;
      sum += length[i];
    }
    int total = 0;
    int at = count + exclusive_sum(sum, warps, total);
#pragma unroll
    for (int i = 0; i < kSweep; ++i) {
      for (int c = 0; c < length[i]; ++c) candidates[at++] = begin[i] + c;
    }
    count += total;
  }
  return count;
}

// The union of what the heads of a group picked, as a list of keys; returns how many. Flags come
// from other blocks: they are read past the first-level cache.
__device__ inline int list_keys(const Heads& heads, const StepView& view,
                                const StepChildren& children, const SelectSpace& space, int query,
                                int kv_head, int* warps) {
  unsigned* list =
      space.list + (static_cast<std::int64_t>(query) * heads.kv_heads + kv_head) * space.keys;
  int count = 0;
  for (int level = 0; level <= view.start; ++level) {
    if (level > 0 && view.picked_gists == 0) break;
    const int gists = view.gists[level];
    const unsigned* flags = space.flags_of(query, kv_head * heads.group, heads.heads, level);
    const std::int64_t to_next_head = space.levels * space.words;
    const int* first_child = children.first[level];
    for (int base = 0; base < gists; base += kSelectThreads * kSweep) {
      const int own = base + static_cast<int>(threadIdx.x) * kSweep;
      unsigned bits = 0;  // kSweep divides 32: one word
      if (own < gists) {
        for (int h = 0; h < heads.group; ++h) bits |= __ldcg(flags + h * to_next_head + own / 32);
        bits >>= own % 32;
      }
      int begin[kSweep], length[kSweep];
      int sum = 0;
#pragma unroll
      for (int i = 0; i < kSweep; ++i) {
        const bool picked = own + i < gists && (bits >> i & 1u) != 0;
        begin[i] = 0;
        length[i] = 0;
        if (picked && level == 0) {
          const int raw_begin = first_child[own + i];
          const int raw_end = first_child[own + i + 1];
          begin[i] = raw_begin > view.raw_begin ? raw_begin : view.raw_begin;
          const int end = raw_end < view.raw_end ? raw_end : view.raw_end;
          length[i] = end > begin[i] ? end - begin[i] : 0;
        }
        sum += length[i] + (picked ? view.picked_gists : 0);
      }
      int total = 0;
      int at = count + exclusive_sum(sum, warps, total);
#pragma unroll
      for (int i = 0; i < kSweep; ++i) {
        const bool picked = own + i < gists && (bits >> i & 1u) != 0;
        if (picked && view.picked_gists != 0) {
          list[at++] =
              static_cast<unsigned>(level + 1) << kListShift | static_cast<unsigned>(own + i);
        }
        for (int c = 0; c < length[i]; ++c) list[at++] = static_cast<unsigned>(begin[i] + c);
      }
      count += total;
    }
  }
  return count;
}

// Block (x, y): query head x of query y descends from the level that step_scores scored. The last
// block of a group to come here unites what the group's heads picked.
template <typename T, int V>
__global__ void __launch_bounds__(kSelectThreads)
    step_select_kernel(Heads heads, const T* qkv, SelectSource source, SelectSpace space) {
  extern __shared__ __align__(16) unsigned char shared[];
  double* query_vector = reinterpret_cast<double*>(shared);  // (width)
  __shared__ TopKScratch scratch;
  __shared__ bool last_of_group;
  core::kernels::cuda::let_next_start();
  const int head = static_cast<int>(blockIdx.x);
  const int query = static_cast<int>(blockIdx.y);
  const int kv_head = head / heads.group;
  const int thread = static_cast<int>(threadIdx.x);
  const StepQuery& own = source.queries[query];
  const StepView& view = own.view[source.view];
  const bool picks = view.start >= 0;
  core::kernels::cuda::wait_for_previous();
  if (!picks) {
    if (thread == 0) space.listed[query * heads.kv_heads + kv_head] = 0;
    return;
  }
  const StepChildren& children = source.children[own.slot];
  double* scores = space.scores_of(query, head, heads.heads);
  int* candidates = space.candidates_of(query, head, heads.heads);
  for (int d = thread; d < heads.width; d += kSelectThreads) {
    query_vector[d] = static_cast<double>(widen(qkv[heads.query(own.row, head) + d]));
  }
  unsigned long long scored = 0;
  int n = view.gists[view.start];
  for (int level = view.start; level >= 0; --level) {
    unsigned* flags = space.flags_of(query, head, heads.heads, level);
    for (int i = thread; i < (view.gists[level] + 31) / 32; i += kSelectThreads) flags[i] = 0;
    if (level < view.start) {
      n = list_children(space.flags_of(query, head, heads.heads, level + 1), view.gists[level + 1],
                        children.first[level + 1], candidates, scratch.warps);
      __syncthreads();  // the candidates are there
      const StepSection place = source.sections[own.slot * kStepSections + level + 1];
      constexpr int kKeys = kSelectThreads / kKeyLanes;
      for (int base = 0; base < n; base += kKeys) {  // whole warps go round together
        const int i = base + thread / kKeyLanes;
        const HeldKey<V, T> key(
            i < n ? key_at<T>(place, kv_head, candidates[i], heads.width) : nullptr, heads.width);
        double sums[kScoreHeads];
        score_key(query_vector, 1, key, heads.width, sums);
        if (i < n && thread % kKeyLanes == 0) scores[i] = sums[0];
      }
    }
    scored += static_cast<unsigned long long>(n);
    __syncthreads();  // flags are zero, scores are there
    const bool listed = level < view.start;
    for_top(scores, n, view.picks[level], scratch, [&](int i) {
      const int j = listed ? candidates[i] : i;
      atomicOr(flags + j / 32, 1u << (j % 32));
    });
    __syncthreads();  // all are flagged, the candidates have been read
  }
  if (thread == 0) {
    atomicAdd(space.reads + 2 * own.slot + 1, scored);
    __threadfence();  // the flags of this block, which its barrier made this thread's, come first
    int* ticket = space.tickets + query * heads.heads + kv_head;
    last_of_group = atomicAdd(ticket, 1) == heads.group - 1;
    if (last_of_group) *ticket = 0;  // nobody else comes; the next kernel finds zero
    __threadfence();
  }
  __syncthreads();
  if (!last_of_group) return;
  const int count = list_keys(heads, view, children, space, query, kv_head, scratch.warps);
  if (thread == 0) {
    space.listed[query * heads.kv_heads + kv_head] = count;
    atomicAdd(space.reads + 2 * own.slot, static_cast<unsigned long long>(count));
  }
}

}  // namespace unfold::gsa::kernels::cuda
