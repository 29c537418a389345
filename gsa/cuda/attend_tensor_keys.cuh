// The backward kernels for bfloat16 and head widths that tensor cores take whole, second half: dK
// and dV (gsa/cuda/attend_backward.cuh has the algorithm).
//
// A block has 64 gathered keys and the query tiles of one item of the map's list of work
// (gsa/key_work.h): most keys are seen by a few queries, gists by all behind them. Where a
// tile of keys has several items, each leaves float32 sums, which a second kernel adds in order.
#pragma once

#include "gsa/cuda/attend_tensor_queries.cuh"

namespace unfold::gsa::kernels::cuda {

template <int kWidth>
constexpr std::size_t tensor_keys_bytes() {
  return tensor_tile_bytes<kWidth>(2 * kGroupRows + 4 * kColumns);
}

// Floats an item leaves: dK, then dV, of 64 keys.
template <int kWidth>
inline constexpr int kPartSize = 2 * kKeyTile* kWidth;

// Key/value heads [first, first + count) are worked on together.
struct HeadRange {
  int first, count;
};

// Of the queries under way; in shared memory.
struct QueryColumns {
  // What does not change lies here, too: registers are what the loop has least of.
  int first_visitor;           // of the map's list
  int columns;                 // queries times heads of a group
  int row_begin, row_queries;  // the row's part of the map's queries
  int positions[4][kColumns];  // -1 none
  int heads[4][kColumns];
  QueryFacts facts[2][kColumns];
  int classes[2][kColumns];
};

// Brings the queries an item visits, and dO, kColumns a step: those of step s are in tile s % 2,
// their positions and heads in row s % 4, the rest in row s % 2 of QueryColumns. The query tiles
// come one behind the other, each head by head. As KeyStream otherwise (gsa/cuda/query_block.cuh).
template <int kWidth, int kThreads>
class QueryStream {
 public:
  static_assert(kThreads >= kColumns);
  static constexpr int kTile = kColumns * kWidth;

  __device__ QueryStream(const MapView& map, const Heads& heads, const TensorOperands& in,
                         const KeyItem& item, int kv_head, QueryColumns& columns,
                         core::bfloat16* tiles)
      : map_(map),
        heads_(heads),
        in_(in),
        columns_(columns),
        tiles_(tiles),
        row_(item.row),
        first_head_(kv_head * heads.group),
        steps_((item.queries * heads.group + kColumns - 1) / kColumns) {
    if (threadIdx.x == 0) {
      columns.first_visitor = item.begin;
      columns.columns = item.queries * heads.group;
      columns.row_begin = map.query_offsets[row_];
      columns.row_queries = map.query_offsets[row_ + 1] - columns.row_begin;
    }
  }

  __device__ int steps() const { return steps_; }
  __device__ const core::bfloat16* queries(int step) const { return tiles_ + step % 2 * 2 * kTile; }
  __device__ const core::bfloat16* douts(int step) const { return queries(step) + kTile; }

  // Starts the copies of the positions of step 0, as one group; a barrier is needed before it.
  __device__ void begin() {
    visitor_ = visitor_at(0);
    if (steps_ > 0) bring_positions(0);
    commit_copies();
  }

  // Starts the copies of a step, as one group, and those of the next step's positions.
  __device__ void bring(int step) {
    const int* positions = columns_.positions[step % 4];
    const int* heads = columns_.heads[step % 4];
    core::bfloat16* tile = tiles_ + step % 2 * 2 * kTile;
    for_pieces<kWidth, kColumns, kThreads>([&](int r, int piece) {
      const int position = positions[r];
      const bool here = position >= 0;
      const std::int64_t token = token_at(position);
      core::bfloat16* to = tile + piece_at<kColumns>(r, piece);
      copy_piece(to, in_.qkv + heads_.query(token, heads[r]) + piece * kPiece, here);
      copy_piece(to + kTile, in_.dout + heads_.out(token, heads[r]) + piece * kPiece, here);
    });
    const int t = static_cast<int>(threadIdx.x);
    if (t < kColumns) {
      const bool here = positions[t] >= 0;
      const std::int64_t token = token_at(positions[t]);
      copy_word(&columns_.facts[step % 2][t], in_.facts + heads_.lse(token, heads[t]), here);
      copy_word(&columns_.classes[step % 2][t], map_.query_class + token, here);
    }
    if (step + 1 < steps_) bring_positions(step + 1);
    commit_copies();
  }

 private:
  __device__ std::int64_t token_at(int position) const {
    return static_cast<std::int64_t>(row_) * map_.length + max(position, 0);
  }
  __device__ int columns_of_tile() const { return map_.most_queries * heads_.group; }
  // The query tile of this thread's column in a step. All tiles of a row but its last are full.
  __device__ int visitor_at(int step) const {
    const int column = step * kColumns + static_cast<int>(threadIdx.x);
    return threadIdx.x < kColumns && column < columns_.columns
               ? map_.visitors[columns_.first_visitor + column / columns_of_tile()]
               : -1;
  }
  // Steps in order: the tile has been looked up a step before.
  __device__ void bring_positions(int step) {
    const int t = static_cast<int>(threadIdx.x);
    if (t >= kColumns) return;
    const int column = step * kColumns + t;
    if (visitor_ >= 0) {
      const int before = visitor_ * map_.query_tile;
      const int count = min(map_.query_tile, columns_.row_queries - before);
      const int at = column % columns_of_tile();
      copy_word(&columns_.positions[step % 4][t],
                map_.queries + columns_.row_begin + before + at % count, true);
      columns_.heads[step % 4][t] = first_head_ + at / count;
    } else {
      columns_.positions[step % 4][t] = -1;
      columns_.heads[step % 4][t] = first_head_;
    }
    visitor_ = visitor_at(step + 1);
  }

  const MapView& map_;
  const Heads& heads_;
  const TensorOperands& in_;
  QueryColumns& columns_;
  core::bfloat16* tiles_;
  int row_, first_head_, steps_;
  int visitor_;  // of the thread's column in the step whose positions come next
};

// The keys of a block; in shared memory.
struct KeyRows {
  int ends[kMaxLevels][kKeyTile];  // reach by class
  int first_end[kMaxLevels];       // the lowest of each class
  int positions[kKeyTile];
  int last;  // highest position
};

// dK and dV of 64 keys over the queries of an item. Blocks count heads, fastest, and items. parts:
// (slots, heads.count, kPartSize).
template <typename Products, int kWidth>
__global__ void __launch_bounds__(kGroupThreads, kWidth == 64 ? Products::kResidentPairs : 2)
    attend_tensor_keys(MapView map, Heads heads, HeadRange range, TensorOperands in, float* parts,
                       core::bfloat16* dqkv) {
  using T = core::bfloat16;
  constexpr int kBlocks = kColumns / 8;
  extern __shared__ unsigned char shared[];
  __shared__ __align__(16) QueryColumns columns;
  __shared__ KeyRows keys;
  T* key_tile = first_tile(shared);
  T* value_tile = key_tile + kKeyTile * kWidth;
  const KeyItem item = map.key_items[static_cast<int>(blockIdx.x) / range.count];
  const int head = static_cast<int>(blockIdx.x) % range.count;
  const int kv_head = range.first + head;
  const int first = item.tile * kKeyTile;
  const int rows = min(map.length - first, kKeyTile);
  const std::int64_t first_token = static_cast<std::int64_t>(item.row) * map.length;
  const int* order = map.order + first_token + first;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  QueryStream<kWidth, kGroupThreads> queries(map, heads, in, item, kv_head, columns,
                                             value_tile + kKeyTile * kWidth);
  if (threadIdx.x < kMaxLevels) keys.first_end[threadIdx.x] = INT_MAX;
  if (threadIdx.x == 0) keys.last = -1;
  __syncthreads();
  queries.begin();
  for_pieces<kWidth, kKeyTile, kGroupThreads>([&](int r, int piece) {
    const bool here = r < rows;
    const T* key = in.qkv + heads.key(first_token + (here ? order[r] : 0), kv_head);
    const T* value = key + heads.kv_heads * kWidth;
    const int to = piece_at<kKeyTile>(r, piece);
    copy_piece(key_tile + to, key + piece * kPiece, here);
    copy_piece(value_tile + to, value + piece * kPiece, here);
  });
  commit_copies();
  wait_copies<1>();
  __syncthreads();  // the positions of step 0
  if (threadIdx.x < kKeyTile) {
    keys.positions[threadIdx.x] =
        static_cast<int>(threadIdx.x) < rows ? order[threadIdx.x] : kNoKey;
  }
  if (static_cast<int>(threadIdx.x) < rows) {
    const int r = static_cast<int>(threadIdx.x);
    atomicMax(&keys.last, order[r]);
    for (int c = 0; c < map.classes; ++c) {
      const int end = map.gathered_end[first_token * map.classes +
                                       static_cast<std::int64_t>(c) * map.length + first + r];
      keys.ends[c][r] = end;
      atomicMin(&keys.first_end[c], end);
    }
  }
  if (queries.steps() > 0) queries.bring(0);
  const int row0 = warp * 16 + lane / 4;
  float dkeys[kWidth / 8][4], dvalues[kWidth / 8][4];
  set_zero(dkeys);
  set_zero(dvalues);
  const float scale = score_scale<float>(kWidth);
  const int steps = queries.steps();
  for (int step = 0; step < steps; ++step) {
    wait_copies<0>();
    publish_to_products();
    __syncthreads();
    if (step + 1 < steps) queries.bring(step + 1);
    float weights[kBlocks][4], dscores[kBlocks][4];
    Products::template multiply<kWidth, kKeyTile, kColumns>(key_tile, 0, queries.queries(step),
                                                            weights);
    Products::template multiply<kWidth, kKeyTile, kColumns>(value_tile, 0, queries.douts(step),
                                                            dscores);
    const int* positions = columns.positions[step % 4];
    const int* classes = columns.classes[step % 2];
    const QueryFacts* facts = columns.facts[step % 2];
    bool hides = false;
#pragma unroll
    for (int j = lane; j < kColumns; j += kWarp) {
      hides |= positions[j] < keys.last || positions[j] >= keys.first_end[classes[j]];
    }
    const bool masked = __any_sync(kFullWarp, hides) != 0;
    Products::template wait<1>(weights);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
      const int j = n * 8 + 2 * (lane % 4);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        weights[n][e] = power_of_two(fmaf(weights[n][e], scale * kLog2e, -facts[j + e % 2].lse));
      }
    }
    if (masked) {
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int j = n * 8 + 2 * (lane % 4) + e % 2;
          if (keys.positions[row0 + 8 * (e / 2)] > positions[j] ||
              positions[j] >= keys.ends[classes[j]][row0 + 8 * (e / 2)]) {
            weights[n][e] = 0.0f;
          }
        }
      }
    }
    unsigned left[kBlocks / 2][4];
    pack_left(weights, left);
    Products::template add_weighted<kWidth, kColumns>(left, queries.douts(step), dvalues);
    Products::template wait<1>(dscores);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
      const int j = n * 8 + 2 * (lane % 4);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        dscores[n][e] = weights[n][e] * (dscores[n][e] - facts[j + e % 2].delta);
      }
    }
    unsigned dleft[kBlocks / 2][4];
    pack_left(dscores, dleft);
    Products::template add_weighted<kWidth, kColumns>(dleft, queries.queries(step), dkeys);
    Products::template wait<0>(dvalues, left, dkeys, dleft);
  }
  wait_copies<0>();
  if (steps == 0) __syncthreads();  // the positions of the keys
  // Found again rather than kept.
  const KeyItem same = map.key_items[static_cast<int>(blockIdx.x) / range.count];
  const int at_head = static_cast<int>(blockIdx.x) % range.count;
  if (same.slot >= 0) {
    float* part =
        parts + (static_cast<std::int64_t>(same.slot) * range.count + at_head) * kPartSize<kWidth>;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float* to = part + (row0 + 8 * r) * kWidth;
      store_sums(dkeys, r, to);
      store_sums(dvalues, r, to + kKeyTile * kWidth);
    }
    return;
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int position = keys.positions[row0 + 8 * r];
    if (position == kNoKey) continue;
    const std::int64_t token = static_cast<std::int64_t>(same.row) * map.length + position;
    store_sums(dkeys, r, scale, dqkv + heads.key(token, range.first + at_head));
    store_sums(dvalues, r, 1.0f, dqkv + heads.value(token, range.first + at_head));
  }
}

// Adds what the items of a tile of keys have left, in their order, four elements a thread. Block x
// counts heads, fastest, and divided tiles; y the elements.
inline constexpr int kAddThreads = 256;
template <int kWidth>
__global__ void __launch_bounds__(kAddThreads)
    add_key_parts(MapView map, Heads heads, HeadRange range, const float* parts,
                  core::bfloat16* dqkv) {
  const DividedTile tile = map.divided_tiles[static_cast<int>(blockIdx.x) / range.count];
  const int head = static_cast<int>(blockIdx.x) % range.count;
  const int element =
      4 * (static_cast<int>(blockIdx.y) * kAddThreads + static_cast<int>(threadIdx.x));
  const bool is_value = element >= kKeyTile * kWidth;
  const int key = tile.tile * kKeyTile + element % (kKeyTile * kWidth) / kWidth;
  if (element >= kPartSize<kWidth> || key >= map.length) return;
  const std::int64_t stride = static_cast<std::int64_t>(range.count) * kPartSize<kWidth>;
  const float* from =
      parts + tile.slot * stride + static_cast<std::int64_t>(head) * kPartSize<kWidth> + element;
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
  for (int i = 0; i < tile.parts; ++i) {
    const float4 part = *reinterpret_cast<const float4*>(from + i * stride);
    sum.x += part.x;
    sum.y += part.y;
    sum.z += part.z;
    sum.w += part.w;
  }
  const float scale = is_value ? 1.0f : score_scale<float>(kWidth);
  const std::int64_t row = static_cast<std::int64_t>(tile.row) * map.length;
  const std::int64_t token = row + map.order[row + key];
  const int kv_head = range.first + head;
  core::bfloat16* to = dqkv + (is_value ? heads.value(token, kv_head) : heads.key(token, kv_head)) +
                       element % kWidth;
  *reinterpret_cast<uint2*>(to) =
      make_uint2(pack(sum.x * scale, sum.y * scale), pack(sum.z * scale, sum.w * scale));
}

}  // namespace unfold::gsa::kernels::cuda
