// A block of query rows of a block map, and the keys it visits, for the tensor-core kernels.
//
// The queries of a tile are stacked head by head, and a block takes kRows of the stack: heads that
// share keys read them together. Block indices count, fastest first, the parts of a tile's stack,
// key/value heads, and tiles, those with the most keys first, so that no long block starts last.
#pragma once

#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/map_sources.cuh"
#include "gsa/cuda/tensor_tiles.cuh"
#include "gsa/gist_config.h"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kNoKey = INT_MAX;  // a position that no query sees

struct Pair {
  bool first, second;
};

// What decides which keys a query sees.
struct QuerySight {
  int position = -1;  // sees nothing
  int query_class = 0;
};

struct QueryAt : QuerySight {
  std::int64_t token = 0;  // row of qkv
  int head = 0;
};

// What the queries of a block have in common; in shared memory.
struct QueryBounds {
  int first, last;   // positions
  unsigned classes;  // bits

  __device__ void widen(const QueryAt& query) {
    atomicMin(&first, query.position);
    atomicMax(&last, query.position);
    atomicOr(&classes, 1u << query.query_class);
  }
};

struct QueryBlock {
  TileQueries queries;
  int batch_row, tile, kv_head, first, rows;

  __device__ QueryBlock(const MapView& map, const Heads& heads, int parts, int most_rows) {
    const int part = static_cast<int>(blockIdx.x) % parts;
    const int rest = static_cast<int>(blockIdx.x) / parts;
    kv_head = rest % heads.kv_heads;
    const int at = map.tile_order[rest / heads.kv_heads];
    batch_row = at / map.tiles_per_row;
    tile = at % map.tiles_per_row;
    queries = tile_queries(map, batch_row, tile);
    first = part * most_rows;
    rows = min(queries.count * heads.group - first, most_rows);
  }
  // Row r; the default for one behind the last.
  __device__ QueryAt at(const MapView& map, const Heads& heads, int r) const {
    QueryAt result;
    if (r >= rows) return result;
    result.position = queries.positions[(first + r) % queries.count];
    result.head = kv_head * heads.group + (first + r) / queries.count;
    result.token = static_cast<std::int64_t>(batch_row) * map.length + result.position;
    result.query_class = map.query_class[result.token];
    return result;
  }
};

// Of the keys under way; in shared memory.
struct KeyColumns {
  int2 ranges[kMaxRanges];
  int positions[4][kColumns];
  int ends[2][kMaxLevels][kColumns];  // reach by class
};

// Brings the keys and values a block visits, kColumns a step: those of step s are in tile s % 2,
// their positions in row s % 4, their reach in row s % 2 of KeyColumns.
//
// Positions come one step ahead of the vectors they give the addresses of. So bring(0) needs
// begin() and a barrier before it, and bring(s + 1) that the copies of bring(s) have arrived and
// that nobody reads those of step s - 1 any more.
template <int kWidth, int kThreads>
class KeyStream {
 public:
  static_assert(kThreads >= kColumns && kThreads >= kMaxRanges);
  static constexpr int kTile = kColumns * kWidth;

  // tiles: room for four.
  __device__ KeyStream(const MapView& map, const Heads& heads, const core::bfloat16* qkv,
                       const QueryBlock& block, KeyColumns& columns, core::bfloat16* tiles)
      : columns_(columns),
        tiles_(tiles),
        stride_(heads.stride),
        classes_(map.classes),
        length_(map.length) {
    const int at = block.batch_row * map.tiles_per_row + block.tile;
    ranges_ = map.ranges + map.range_offsets[at];
    range_count_ = map.range_offsets[at + 1] - map.range_offsets[at];
    const std::int64_t row = static_cast<std::int64_t>(block.batch_row) * map.length;
    order_ = map.order + row;
    gathered_end_ = map.gathered_end + row * map.classes;
    keys_ = qkv + heads.key(row, block.kv_head);
    to_value_ = heads.kv_heads * kWidth;
    int keys = 0;
    for (int r = 0; r < range_count_; ++r) keys += ranges_[r].y - ranges_[r].x;
    steps_ = (keys + kColumns - 1) / kColumns;
  }

  __device__ int steps() const { return steps_; }
  __device__ const core::bfloat16* keys(int step) const { return tiles_ + step % 2 * 2 * kTile; }
  __device__ const core::bfloat16* values(int step) const { return keys(step) + kTile; }

  // The ranges, and the positions of step 0. A barrier is needed before, for `columns`, and in it.
  __device__ void begin() {
    const int t = static_cast<int>(threadIdx.x);
    if (t < range_count_) columns_.ranges[t] = ranges_[t];
    __syncthreads();
    if (t < kColumns) {
      const int gathered = gathered_at(t);
      columns_.positions[0][t] = gathered >= 0 ? order_[gathered] : kNoKey;
    }
  }

  // Starts the copies of a step, as one group, and those of the next step's positions.
  __device__ void bring(int step) {
    const int* positions = columns_.positions[step % 4];
    core::bfloat16* tile = tiles_ + step % 2 * 2 * kTile;
    for_pieces<kWidth, kColumns, kThreads>([&](int r, int piece) {
      const int position = positions[r];
      const bool here = position != kNoKey;
      const core::bfloat16* key = keys_ + (here ? position : 0) * stride_ + piece * kPiece;
      core::bfloat16* to = tile + piece_at<kColumns>(r, piece);
      copy_piece(to, key, here);
      copy_piece(to + kTile, key + to_value_, here);
    });
    const int t = static_cast<int>(threadIdx.x);
    if (t < kColumns) {
      const int here = gathered_at(step * kColumns + t);
      for (int c = 0; c < classes_; ++c) {
        copy_word(&columns_.ends[step % 2][c][t],
                  gathered_end_ + static_cast<std::int64_t>(c) * length_ + max(here, 0), here >= 0);
      }
      if (step + 1 < steps_) {
        const int next = gathered_at((step + 1) * kColumns + t);
        int* to = &columns_.positions[(step + 1) % 4][t];
        if (next >= 0) {
          copy_word(to, order_ + next, true);
        } else {
          *to = kNoKey;
        }
      }
    }
    commit_copies();
  }

  // Whether a query of the block may not see a key of the step. The same in all threads of a warp.
  __device__ bool masked(int step, const QueryBounds& bounds) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    bool hides = false;
#pragma unroll
    for (int j = lane; j < kColumns; j += kWarp) {
      hides |= columns_.positions[step % 4][j] > bounds.first;
      for (int c = 0; c < classes_; ++c) {
        if ((bounds.classes >> c & 1u) != 0) hides |= columns_.ends[step % 2][c][j] <= bounds.last;
      }
    }
    return __any_sync(kFullWarp, hides) != 0;
  }

  // Whether a query sees column j and the next one, j even.
  __device__ Pair sees(int step, const QuerySight& query, int j) const {
    const int2 key = *reinterpret_cast<const int2*>(&columns_.positions[step % 4][j]);
    const int2 end = *reinterpret_cast<const int2*>(&columns_.ends[step % 2][query.query_class][j]);
    return {key.x <= query.position && query.position < end.x,
            key.y <= query.position && query.position < end.y};
  }

 private:
  // The gathered index of a column, -1 behind the last.
  __device__ int gathered_at(int column) const {
    for (int r = 0; r < range_count_; ++r) {
      const int2 range = columns_.ranges[r];
      const int size = range.y - range.x;
      if (column < size) return range.x + column;
      column -= size;
    }
    return -1;
  }

  KeyColumns& columns_;
  core::bfloat16* tiles_;
  const core::bfloat16* keys_;  // of the row's first token
  const int2* ranges_;
  const int* order_;
  const int* gathered_end_;
  std::int64_t stride_;  // elements of a token's qkv
  int to_value_;         // elements from a key to its value
  int range_count_, classes_, length_, steps_;
};

}  // namespace unfold::gsa::kernels::cuda
