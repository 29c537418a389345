// Device side of attention over cached keys (gsa/cached_attention.h): what the host hands to the
// kernels, and the kernels that the general tile does not give.
#pragma once

#include "gsa/cuda/attend.cuh"

namespace unfold::gsa::kernels::cuda {

// Where a new token's keys and values go: of key/value head 0; the next is `between` elements on.
template <typename T>
struct CacheSlot {
  T* keys;
  T* values;
  std::int64_t between;
};

// Cached keys one behind the other, of one key/value head.
template <typename T>
struct CacheSegment {
  const T* keys;
  const T* values;
  std::int64_t count;
};

// One query of one key/value head; its parts [first, last).
struct CacheTask {
  std::int64_t token;  // row of qkv
  int kv_head;
  int first, last;
  int padding = 0;
};

// A part of a query's keys, the segments [first, last), that one block attends to. Long lists of
// keys are cut into parts, since one query alone would leave the device idle.
struct CachePart {
  std::int64_t token;
  int kv_head;
  int first, last;
  int padding = 0;
};

// Block x: new token x of the list, row rows[x] of qkv.
template <typename T>
__global__ void store_tokens(Heads heads, const T* qkv, const CacheSlot<T>* slots,
                             std::int64_t first_row) {
  const CacheSlot<T> slot = slots[blockIdx.x];
  const std::int64_t token = first_row + blockIdx.x;
  const T* keys = qkv + heads.key(token, 0);
  const T* values = qkv + heads.value(token, 0);
  for (int i = static_cast<int>(threadIdx.x); i < heads.kv_heads * heads.width;
       i += static_cast<int>(blockDim.x)) {
    const std::int64_t to = i / heads.width * slot.between + i % heads.width;
    slot.keys[to] = keys[i];
    slot.values[to] = values[i];
  }
}

// Source of the general forward kernel: block x counts parts and pieces of a group's heads. The
// result of head h of part p goes to p * group + h.
template <typename T>
struct CacheQueries {
  const CachePart* parts;
  const CacheSegment<T>* segments;
  Heads heads;
  int pieces;

  struct Task {
    const CacheQueries& source;
    const CacheSegment<T>* segment;
    const CacheSegment<T>* end;
    std::int64_t used;  // keys of *segment that are done
    std::int64_t token, part;
    int kv_head, first, rows;

    __device__ QueryRow row(int r) const {
      const int group = source.heads.group;
      return {token, kv_head * group + first + r, 0, nullptr, 0, part * group + first + r};
    }
    __device__ bool next(int lane, KeyColumn<T>& column) {
      column = {};
      int filled = 0;
      while (filled < kTileColumns && segment != end) {
        const CacheSegment<T> here = *segment;
        const std::int64_t left = here.count - used;
        const int room = kTileColumns - filled;
        const int take = left < room ? static_cast<int>(left) : room;
        if (lane >= filled && lane < filled + take) {
          const std::int64_t at = (used + lane - filled) * source.heads.width;
          column = {0, here.keys + at, here.values + at};
        }
        filled += take;
        if (take == left) {
          ++segment;
          used = 0;
        } else {
          used += take;
        }
      }
      return filled > 0;
    }
    __device__ bool sees(const QueryRow&, const KeyColumn<T>&) const { return true; }
  };

  __device__ Task task(unsigned x, unsigned /*y*/) const {
    const std::int64_t part = x / static_cast<unsigned>(pieces);
    const CachePart own = parts[part];
    const int first = static_cast<int>(x % static_cast<unsigned>(pieces)) * kTileRows;
    const int left = heads.group - first;
    return {*this,
            segments + own.first,
            segments + own.last,
            0,
            own.token,
            part,
            own.kv_head,
            first,
            left < kTileRows ? left : kTileRows};
  }
};

// Brings the parts of a query together: out = sum over parts of exp(lse_p - lse) out_p, lse =
// log-sum-exp of the lse_p. Block x: task x; a warp takes a head at a time.
template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    combine_parts(Heads heads, const CacheTask* tasks, const Accumulator<T>* part_out,
                  const Accumulator<T>* part_lse, T* out, Accumulator<T>* lse) {
  using A = Accumulator<T>;
  const CacheTask task = tasks[blockIdx.x];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int h = static_cast<int>(threadIdx.x) / kWarp; h < heads.group; h += kTileWarps) {
    const auto at = [&](int part) { return static_cast<std::int64_t>(part) * heads.group + h; };
    A largest = minus_infinity<A>();
    for (int p = task.first; p < task.last; ++p) {
      largest = part_lse[at(p)] > largest ? part_lse[at(p)] : largest;
    }
    A total = A(0);
    for (int p = task.first; p < task.last; ++p) total += exponential(part_lse[at(p)] - largest);
    const int head = task.kv_head * heads.group + h;
    for (int d = lane; d < heads.width; d += kWarp) {
      A sum = A(0);
      for (int p = task.first; p < task.last; ++p) {
        sum += exponential(part_lse[at(p)] - largest) * part_out[at(p) * heads.width + d];
      }
      out[heads.out(task.token, head) + d] = narrow<T>(sum / total);
    }
    if (lane == 0) lse[heads.lse(task.token, head)] = largest + logarithm(total);
  }
}

// The attention each key of a segment got, summed over the group's heads: one warp a key. weights:
// of the segment's first key.
template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    segment_weights(Heads heads, const T* qkv, const Accumulator<T>* lse, CacheTask task,
                    CacheSegment<T> segment, double* weights) {
  using A = Accumulator<T>;
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * kTileWarps + threadIdx.x / kWarp;
  if (j >= segment.count) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const T* key = segment.keys + j * heads.width;
  const A scale = score_scale<A>(heads.width);
  A total = A(0);
  for (int h = 0; h < heads.group; ++h) {
    const int head = task.kv_head * heads.group + h;
    const T* query = qkv + heads.query(task.token, head);
    A score = A(0);
    for (int d = lane; d < heads.width; d += kWarp)
      score += scale * widen(query[d]) * widen(key[d]);
    total += exponential(warp_sum(score) - lse[heads.lse(task.token, head)]);
  }
  if (lane == 0) weights[j] = static_cast<double>(total);
}

// scores[j] = query . key j in double: one warp a key.
template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    score_keys(const double* query, const T* keys, std::int64_t count, int width, double* scores) {
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * kTileWarps + threadIdx.x / kWarp;
  if (j >= count) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  double sum = 0;
  for (int d = lane; d < width; d += kWarp) {
    sum += query[d] * static_cast<double>(widen(keys[j * width + d]));
  }
  sum = warp_sum(sum);
  if (lane == 0) scores[j] = sum;
}

}  // namespace unfold::gsa::kernels::cuda
