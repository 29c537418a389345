// The routing loss on a device (gsa/routing_loss.h), in two passes over a batch of queries:
//   route_queries  a block owns a (suffix query, key/value head): the targets from the raw tokens,
//                  then the terms of every level and the gradient of the query
//   route_gists    a block owns 16 gist keys and visits the queries: the gradient of the keys, from
//                  what the first pass kept of its scores
#pragma once

#include "gsa/cuda/device_table.cuh"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/tile.cuh"

namespace unfold::gsa::kernels::cuda {

// The queries [first, last) of a batch, and what is kept of them; query q stands at q - first.
template <typename T>
struct RoutingArguments {
  using A = Accumulator<T>;
  TableView table;
  Heads heads;
  const T* qkv;
  int length;
  int first, last;
  std::int64_t most_chunks;
  A* targets;      // (queries, kv_heads, most_chunks) p of every chunk
  A* mass;         // (queries, levels, kv_heads)
  A* lse;          // (queries, levels, heads)
  double* losses;  // (all suffix queries, kv_heads)
  A* dqkv;         // nullptr: no gradient

  __device__ A* targets_of(int query, int kv_head) const {
    return targets +
           (static_cast<std::int64_t>(query - first) * heads.kv_heads + kv_head) * most_chunks;
  }
  __device__ A& mass_of(int query, int level, int kv_head) const {
    return mass[(static_cast<std::int64_t>(query - first) * table.levels + level) * heads.kv_heads +
                kv_head];
  }
  __device__ A& lse_of(int query, int level, int head) const {
    return lse[(static_cast<std::int64_t>(query - first) * table.levels + level) * heads.heads +
               head];
  }
};

// The sum of p over the chunks [begin, end).
template <typename A>
__device__ A sum_of_chunks(const A* targets, int begin, int end) {
  A sum = A(0);
  for (int c = begin; c < end; ++c) sum += targets[c];
  return sum;
}

// Entries of an ascending list that are not above `position`.
__device__ inline int count_up_to(const int* list, int count, int position) {
  int low = 0;
  int high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (list[middle] <= position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Running maximum and sum of exponentials of a row's scores (one tile's, one a lane).
template <typename A>
__device__ void add_to_softmax(A score, bool visible, A& largest, A& total) {
  const A seen = visible ? score : minus_infinity<A>();
  const A tile_largest = warp_max(seen);
  const A now = largest > tile_largest ? largest : tile_largest;
  const A sum = warp_sum(visible ? exponential(score - now) : A(0));
  total = (largest == now ? total : total * exponential(largest - now)) + sum;
  largest = now;
}

// A block of the first pass. The keys of a list of positions are scored 32 at a time against up to
// 16 query heads of the group.
template <typename T, int kChunks>
struct RouteBlock {
  using A = Accumulator<T>;
  const RoutingArguments<T>& in;
  A* queries;  // shared: (16, row)
  A* columns;  // shared: (32, column)
  A* weights;  // shared: (4, 32)
  int query, kv_head;
  std::int64_t row_token;
  int rows;  // heads of this part of the group

  // Scores of positions[begin .. begin + 32), of `count` in all; all threads meet in here.
  __device__ void score(const int* positions, int begin, int count, A (&scores)[kWarpRows]) {
    const int at = begin + static_cast<int>(threadIdx.x) % kWarp;
    const T* key = at < count ? in.qkv + in.heads.key(row_token + positions[at], kv_head) : nullptr;
    __syncthreads();
    load_columns<kChunks>(key, in.heads.width, columns);
    __syncthreads();
    multiply<kChunks>(queries, columns, in.heads.width, rows, scores);
  }

  // Adds the mean over these heads, as a part of all heads, of their attention to the raw tokens
  // of each chunk. seen: raw tokens the query sees; chunks: those it selects from.
  // Chunk c is raw tokens [chunk_begin[c], first_child[c + 1]).
  __device__ void add_targets(const int* raw, int seen, const int* chunk_begin,
                              const int* first_child, int chunks, A* targets) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    A largest[kWarpRows], total[kWarpRows], scores[kWarpRows];
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      largest[i] = minus_infinity<A>();
      total[i] = A(0);
    }
    for (int begin = 0; begin < seen; begin += kTileColumns) {
      score(raw, begin, seen, scores);
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        add_to_softmax(scores[i], begin + lane < seen, largest[i], total[i]);
      }
    }
    const int end = first_child[chunks];
    int first_chunk = 0;  // that ends behind the tile's first token
    for (int begin = 0; begin < end; begin += kTileColumns) {
      score(raw, begin, end, scores);
      A sum = A(0);
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        if (warp + i * kTileWarps < rows && begin + lane < end) {
          sum += exponential(scores[i] - largest[i]) / total[i];
        }
      }
      weights[warp * kWarp + lane] = sum / static_cast<A>(in.heads.group);
      __syncthreads();
      if (warp == 0) {
#pragma unroll
        for (int w = 1; w < kTileWarps; ++w) weights[lane] += weights[w * kWarp + lane];
        __syncwarp();
        const int tile_end = begin + kTileColumns < end ? begin + kTileColumns : end;
        while (first_child[first_chunk + 1] <= begin) ++first_chunk;
        for (int c = first_chunk + lane; c < chunks && first_child[c] < tile_end; c += kWarp) {
          const int from = chunk_begin[c] > begin ? chunk_begin[c] : begin;
          const int to = first_child[c + 1] < tile_end ? first_child[c + 1] : tile_end;
          A share = A(0);
          for (int at = from; at < to; ++at) share += weights[at - begin];
          targets[c] += share;
        }
      }
    }
    __syncthreads();
  }

  // The terms of a level over these heads, and what they add to the gradient of the queries
  // (sums, before the scale). Returns the warp's part of the loss.
  __device__ double add_level(int level, int document, int first_head, const A* targets,
                              A (&sums)[kWarpRows][kChunks]) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int count = in.table.covered[query * in.table.levels + level];
    const int* gists = in.table.gists_of(document, level);
    const int* chunk = in.table.chunks_of(document, level);
    A mass = A(0);
    for (int j = lane; j < count; j += kWarp) {
      mass += sum_of_chunks(targets, chunk[j], chunk[j + 1]);
    }
    mass = warp_sum(mass);
    A largest[kWarpRows], total[kWarpRows], expected[kWarpRows], scores[kWarpRows];
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      largest[i] = minus_infinity<A>();
      total[i] = expected[i] = A(0);
    }
    for (int begin = 0; begin < count; begin += kTileColumns) {
      score(gists, begin, count, scores);
      const int j = begin + lane;
      const A target = j < count ? sum_of_chunks(targets, chunk[j], chunk[j + 1]) : A(0);
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        add_to_softmax(scores[i], j < count, largest[i], total[i]);
        expected[i] += j < count ? target * scores[i] : A(0);
      }
    }
    double loss = 0;
    A lse[kWarpRows];
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      lse[i] = largest[i] + logarithm(total[i]);
      expected[i] = warp_sum(expected[i]);
      const int r = warp + i * kTileWarps;
      if (r >= rows) continue;
      loss += static_cast<double>(mass * lse[i] - expected[i]);
      if (lane == 0) in.lse_of(query, level, first_head + r) = lse[i];
    }
    if (threadIdx.x == 0) in.mass_of(query, level, kv_head) = mass;
    if (in.dqkv == nullptr) return loss;
    for (int begin = 0; begin < count; begin += kTileColumns) {
      score(gists, begin, count, scores);
      const int j = begin + lane;
      const A target = j < count ? sum_of_chunks(targets, chunk[j], chunk[j + 1]) : A(0);
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        const bool visible = warp + i * kTileWarps < rows && j < count;
        scores[i] = visible ? mass * exponential(scores[i] - lse[i]) - target : A(0);
      }
      accumulate<kChunks>(scores, columns, rows, sums);
    }
    return loss;
  }
};

// Block (x, y): query first + x, key/value head y.
template <typename T, int kChunks>
__global__ void __launch_bounds__(kTileThreads) route_queries(RoutingArguments<T> in) {
  using A = Accumulator<T>;
  using Shape = TileShape<kChunks>;
  extern __shared__ __align__(16) unsigned char shared[];
  __shared__ A weights[kTileWarps * kWarp];
  __shared__ double warp_losses[kTileWarps];
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Heads& heads = in.heads;
  A* queries = reinterpret_cast<A*>(shared);
  RouteBlock<T, kChunks> block{in,
                               queries,
                               queries + kTileRows * Shape::kRow,
                               weights,
                               in.first + static_cast<int>(blockIdx.x),
                               static_cast<int>(blockIdx.y),
                               0,
                               0};
  const DeviceQuery own = in.table.suffix[block.query];
  block.row_token = static_cast<std::int64_t>(own.row) * in.length;
  const std::int64_t token = block.row_token + own.position;
  const int* raw = in.table.raw + in.table.raw_offsets[own.document];
  const int seen =
      count_up_to(raw, in.table.raw_offsets[own.document + 1] - in.table.raw_offsets[own.document],
                  own.position);
  const int chunks = in.table.covered[block.query * in.table.levels];
  A* targets = in.targets_of(block.query, block.kv_head);
  for (int c = threadIdx.x; c < chunks; c += kTileThreads) targets[c] = A(0);
  const A scale = score_scale<A>(heads.width);
  const auto load_heads = [&](int first) {
    const int left = heads.group - first;
    block.rows = left < kTileRows ? left : kTileRows;
    __syncthreads();
    for (int r = warp; r < kTileRows; r += kTileWarps) {
      const T* from = r < block.rows
                          ? in.qkv + heads.query(token, block.kv_head * heads.group + first + r)
                          : nullptr;
      load_row<kChunks>(from, heads.width, scale, queries + r * Shape::kRow);
    }
    __syncthreads();
  };
  for (int first = 0; first < heads.group; first += kTileRows) {
    load_heads(first);
    block.add_targets(raw, seen, in.table.begins_of(own.document),
                      in.table.children_of(own.document, 0), chunks, targets);
  }
  double loss = 0;
  for (int first = 0; first < heads.group; first += kTileRows) {
    load_heads(first);
    const int first_head = block.kv_head * heads.group + first;
    A sums[kWarpRows][kChunks];
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
#pragma unroll
      for (int c = 0; c < kChunks; ++c) sums[i][c] = A(0);
    }
    for (int level = 0; level < in.table.levels; ++level) {
      loss += block.add_level(level, own.document, first_head, targets, sums);
    }
    if (in.dqkv == nullptr) continue;
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const int r = warp + i * kTileWarps;
      if (r >= block.rows) continue;
      A* to = in.dqkv + heads.query(token, first_head + r);
#pragma unroll
      for (int c = 0; c < kChunks; ++c) {
        const int d = c * kWarp + lane;
        if (d < heads.width) to[d] += scale * sums[i][c];
      }
    }
  }
  if (lane == 0) warp_losses[warp] = loss;
  __syncthreads();
  if (threadIdx.x == 0) {
    double sum = 0;
    for (int w = 0; w < kTileWarps; ++w) sum += warp_losses[w];
    in.losses[static_cast<std::int64_t>(block.query) * heads.kv_heads + block.kv_head] = sum;
  }
}

// Block (x, y): tile x of gists, key/value head y. d term / d score = mass r - p.
template <typename T, int kChunks>
__global__ void __launch_bounds__(kTileThreads)
    route_gists(RoutingArguments<T> in, const GistTile* tiles) {
  using A = Accumulator<T>;
  using Shape = TileShape<kChunks>;
  extern __shared__ __align__(16) unsigned char shared[];
  A* keys = reinterpret_cast<A*>(shared);
  A* columns = keys + kTileRows * Shape::kRow;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Heads& heads = in.heads;
  const GistTile tile = tiles[blockIdx.x];
  const int kv_head = static_cast<int>(blockIdx.y);
  const int first = max(in.first, in.table.first_query[tile.document]);
  const int last = min(in.last, in.table.first_query[tile.document + 1]);
  if (first >= last) return;
  const int left = in.table.gist_count(tile.document, tile.level) - tile.first;
  const int rows = left < kTileRows ? left : kTileRows;
  const std::int64_t row_token = static_cast<std::int64_t>(in.table.suffix[first].row) * in.length;
  const int* gists = in.table.gists_of(tile.document, tile.level) + tile.first;
  const int* chunk = in.table.chunks_of(tile.document, tile.level) + tile.first;
  const A scale = score_scale<A>(heads.width);
  A sums[kWarpRows][kChunks];
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int r = warp + i * kTileWarps;
    const T* from = r < rows ? in.qkv + heads.key(row_token + gists[r], kv_head) : nullptr;
    load_row<kChunks>(from, heads.width, scale, keys + r * Shape::kRow);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) sums[i][c] = A(0);
  }
  const std::int64_t count = static_cast<std::int64_t>(last - first) * heads.group;
  for (std::int64_t begin = 0; begin < count; begin += kTileColumns) {
    const std::int64_t at = begin + lane;
    const bool here = at < count;
    const int query = here ? first + static_cast<int>(at / heads.group) : first;
    const int head = kv_head * heads.group + (here ? static_cast<int>(at % heads.group) : 0);
    const T* from =
        here ? in.qkv + heads.query(row_token + in.table.suffix[query].position, head) : nullptr;
    const int covered = here ? in.table.covered[query * in.table.levels + tile.level] : 0;
    __syncthreads();
    load_columns<kChunks>(from, heads.width, columns);
    __syncthreads();
    A scores[kWarpRows];
    multiply<kChunks>(keys, columns, heads.width, rows, scores);
    const A mass = in.mass_of(query, tile.level, kv_head);
    const A lse = in.lse_of(query, tile.level, head);
    const A* targets = in.targets_of(query, kv_head);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const int r = warp + i * kTileWarps;
      const bool visible = here && r < rows && tile.first + r < covered;
      scores[i] = visible ? mass * exponential(scores[i] - lse) -
                                sum_of_chunks(targets, chunk[r], chunk[r + 1])
                          : A(0);
    }
    accumulate<kChunks>(scores, columns, rows, sums);
  }
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int r = warp + i * kTileWarps;
    if (r >= rows) continue;
    A* to = in.dqkv + heads.key(row_token + gists[r], kv_head);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int d = c * kWarp + lane;
      if (d < heads.width) to[d] += scale * sums[i][c];
    }
  }
}

}  // namespace unfold::gsa::kernels::cuda
