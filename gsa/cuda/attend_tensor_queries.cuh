// The backward kernels for bfloat16 and head widths that tensor cores take whole, first half: what
// the backward needs of every query, and dQ (gsa/cuda/attend_backward.cuh has the algorithm).
#pragma once

#include "gsa/cuda/query_block.cuh"

namespace unfold::gsa::kernels::cuda {

// What the backward reads. facts (tokens, heads).
struct TensorOperands {
  const core::bfloat16* qkv;
  const core::bfloat16* dout;
  const QueryFacts* facts;
};

// The facts of all tokens and heads; kWidth / 8 threads each, 16 bytes a thread. `lse` of tokens
// that are no queries may be anything.
inline constexpr int kFactThreads = 256;
template <int kWidth>
__global__ void __launch_bounds__(kFactThreads)
    find_query_facts(const core::bfloat16* out, const core::bfloat16* dout, const float* lse,
                     std::int64_t count, QueryFacts* facts) {
  constexpr int kShare = kWidth / kPiece;
  const std::int64_t piece =
      static_cast<std::int64_t>(blockIdx.x) * kFactThreads + static_cast<int>(threadIdx.x);
  const std::int64_t at = piece / kShare;
  float sum = 0.0f;
  if (at < count) {
    const uint4 left = reinterpret_cast<const uint4*>(out)[piece];
    const uint4 right = reinterpret_cast<const uint4*>(dout)[piece];
    const unsigned lefts[4] = {left.x, left.y, left.z, left.w};
    const unsigned rights[4] = {right.x, right.y, right.z, right.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum += __uint_as_float(lefts[i] << 16) * __uint_as_float(rights[i] << 16);
      sum += __uint_as_float(lefts[i] & 0xFFFF0000u) * __uint_as_float(rights[i] & 0xFFFF0000u);
    }
  }
#pragma unroll
  for (int offset = 1; offset < kShare; offset *= 2) {
    sum += __shfl_xor_sync(kFullWarp, sum, offset);
  }
  if (at < count && threadIdx.x % kShare == 0) facts[at] = {lse[at] * kLog2e, sum};
}

template <int kWidth>
constexpr std::size_t tensor_queries_bytes() {
  return tensor_tile_bytes<kWidth>(2 * kGroupRows + 4 * kColumns);
}

// dQ of 64 query rows. parts: blocks a full tile of queries.
template <typename Products, int kWidth>
__global__ void __launch_bounds__(kGroupThreads, kWidth == 64 ? Products::kResident : 2)
    attend_tensor_queries(MapView map, Heads heads, int parts, TensorOperands in,
                          core::bfloat16* dqkv) {
  using T = core::bfloat16;
  constexpr int kBlocks = kColumns / 8;
  extern __shared__ unsigned char shared[];
  __shared__ __align__(16) KeyColumns columns;
  __shared__ QueryBounds bounds;
  T* query_tile = first_tile(shared);
  T* dout_tile = query_tile + kGroupRows * kWidth;
  const QueryBlock block(map, heads, parts, kGroupRows);
  if (block.rows <= 0) return;
  KeyStream<kWidth, kGroupThreads> keys(map, heads, in.qkv, block, columns,
                                        dout_tile + kGroupRows * kWidth);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x == 0) bounds = {INT_MAX, -1, 0u};
  keys.begin();
  for_pieces<kWidth, kGroupRows, kGroupThreads>([&](int r, int piece) {
    const QueryAt query = block.at(map, heads, r);
    const int to = piece_at<kGroupRows>(r, piece);
    copy_piece(query_tile + to, in.qkv + heads.query(query.token, query.head) + piece * kPiece,
               r < block.rows);
    copy_piece(dout_tile + to, in.dout + heads.out(query.token, query.head) + piece * kPiece,
               r < block.rows);
    if (piece == 0 && r < block.rows) bounds.widen(query);
  });
  __syncthreads();  // the positions of step 0
  keys.bring(0);
  QuerySight sight[2];
  QueryFacts facts[2];
  float sums[kWidth / 8][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int at = warp * 16 + lane / 4 + 8 * r;
    const QueryAt query = block.at(map, heads, at);
    sight[r] = query;
    facts[r] = {0.0f, 0.0f};
    if (at < block.rows) facts[r] = in.facts[heads.lse(query.token, query.head)];
  }
  set_zero(sums);
  const float scale = score_scale<float>(kWidth);
  const int steps = keys.steps();
  for (int step = 0; step < steps; ++step) {
    wait_copies<0>();
    publish_to_products();
    __syncthreads();
    if (step + 1 < steps) keys.bring(step + 1);
    float scores[kBlocks][4], dscores[kBlocks][4];
    Products::template multiply<kWidth, kGroupRows, kColumns>(query_tile, 0, keys.keys(step),
                                                              scores);
    Products::template multiply<kWidth, kGroupRows, kColumns>(dout_tile, 0, keys.values(step),
                                                              dscores);
    const bool masked = keys.masked(step, bounds);
    Products::template wait<1>(scores);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        scores[n][e] = power_of_two(fmaf(scores[n][e], scale * kLog2e, -facts[e / 2].lse));
      }
    }
    Products::template wait<0>(dscores);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        dscores[n][e] = scores[n][e] * (dscores[n][e] - facts[e / 2].delta);
      }
    }
    if (masked) {
      // Behind the products: the weight of a pair that is not seen may be anything.
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const Pair seen = keys.sees(step, sight[r], n * 8 + 2 * (lane % 4));
          if (!seen.first) dscores[n][2 * r] = 0.0f;
          if (!seen.second) dscores[n][2 * r + 1] = 0.0f;
        }
      }
    }
    unsigned weights[kBlocks / 2][4];
    pack_left(dscores, weights);
    Products::template add_weighted<kWidth, kColumns>(weights, keys.keys(step), sums);
    Products::template wait<0>(sums, weights);
  }
  // Found again rather than kept: registers are what the loop has least of.
  const QueryBlock same(map, heads, parts, kGroupRows);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int at = warp * 16 + lane / 4 + 8 * r;
    if (at >= same.rows) continue;
    const QueryAt query = same.at(map, heads, at);
    store_sums(sums, r, scale, dqkv + heads.query(query.token, query.head));
  }
}

}  // namespace unfold::gsa::kernels::cuda
