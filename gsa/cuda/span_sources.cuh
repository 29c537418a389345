// The sources of the general kernels (gsa/cuda/attend.cuh) over key spans.
#pragma once

#include "gsa/cuda/attend_backward.cuh"
#include "gsa/cuda/device_spans.cuh"
#include "gsa/cuda/device_table.cuh"

namespace unfold::gsa::kernels::cuda {

// Block (x, y): x counts suffix queries and parts of their heads; y is the key/value head.
template <typename T>
struct SpanQueries {
  const DeviceQuery* suffix;
  const int* offsets;  // of pairs
  const int2* spans;
  Heads heads;
  const T* qkv;
  int length;
  int parts;  // of the heads of a group

  struct Task {
    const SpanQueries& source;
    IntervalWalk walk;
    std::int64_t row_token;  // of position 0
    int position, kv_head, first, rows;

    __device__ QueryRow row(int r) const {
      const int head = kv_head * source.heads.group + first + r;
      const std::int64_t token = row_token + position;
      return {token, head, position, nullptr, 0, source.heads.lse(token, head)};
    }
    __device__ bool next(int lane, KeyColumn<T>& column) {
      column = {};
      const bool more = walk.next(lane, column.position);
      if (column.position >= 0) {
        const std::int64_t token = row_token + column.position;
        column.key = source.qkv + source.heads.key(token, kv_head);
        column.value = source.qkv + source.heads.value(token, kv_head);
      }
      return more;
    }
    __device__ bool sees(const QueryRow&, const KeyColumn<T>&) const { return true; }
  };

  __device__ Task task(unsigned x, unsigned y) const {
    const int query = static_cast<int>(x) / parts;
    const int first = static_cast<int>(x) % parts * kTileRows;
    const DeviceQuery own = suffix[query];
    const std::int64_t pair = static_cast<std::int64_t>(query) * heads.kv_heads + y;
    const int left = heads.group - first;
    return {*this,
            {spans + offsets[pair], spans + offsets[pair + 1], 0},
            static_cast<std::int64_t>(own.row) * length,
            own.position,
            static_cast<int>(y),
            first,
            left < kTileRows ? left : kTileRows};
  }
};

// Block (x, y): x counts rows and tiles of 16 keys; y is the key/value head.
struct SpanKeys {
  const DeviceQuery* suffix;
  const int* offsets;  // of lists of visits
  const SpanVisit* visits;
  Heads heads;
  int length;
  int tiles;  // a row

  struct Task {
    const SpanKeys& source;
    const SpanVisit* visits;
    std::int64_t next_column, columns;  // visits times heads of the group
    std::int64_t row_token;             // of position 0
    int kv_head, first, rows;

    __device__ KeyRow row(int r) const { return {row_token + first + r, first + r, r, nullptr, 0}; }
    __device__ bool next(int lane, QueryColumn& column) {
      column = {};
      const std::int64_t at = next_column + lane;
      if (next_column >= columns) return false;
      next_column += kTileColumns;
      if (at < columns) {
        const SpanVisit visit = visits[at / source.heads.group];
        column.position = source.suffix[visit.query].position;
        column.token = row_token + column.position;
        column.head = kv_head * source.heads.group + static_cast<int>(at % source.heads.group);
        column.seen = static_cast<unsigned>(visit.seen);
      }
      return true;
    }
    __device__ bool sees(const KeyRow& key, const QueryColumn& query) const {
      return (query.seen >> key.slot & 1u) != 0;
    }
  };

  __device__ Task task(unsigned x, unsigned y) const {
    const int row = static_cast<int>(x) / tiles;
    const int first = static_cast<int>(x) % tiles * kSpanTile;
    const std::int64_t list = static_cast<std::int64_t>(x) * heads.kv_heads + y;
    const int begin = offsets[list];
    const int count = offsets[list + 1] - begin;
    const int left = length - first;
    return {*this,
            visits + begin,
            0,
            static_cast<std::int64_t>(count) * heads.group,
            static_cast<std::int64_t>(row) * length,
            static_cast<int>(y),
            first,
            count == 0         ? 0
            : left < kSpanTile ? left
                               : kSpanTile};
  }
};
static_assert(kSpanTile == kTileRows);

}  // namespace unfold::gsa::kernels::cuda
