// The forward kernel for bfloat16 and head widths that tensor cores take whole: the algorithm of
// gsa/cuda/attend.cuh in tiles (FlashAttention-2, Dao 2023). A warpgroup has 64 query rows, a warp
// 16 of them; keys and values come 64 at a time, the next while these are worked on. Pairs are
// tested only in steps in which some query may not see some key.
#pragma once

#include "gsa/cuda/query_block.cuh"

namespace unfold::gsa::kernels::cuda {

template <int kWidth, int kGroups>
constexpr std::size_t tensor_attend_bytes() {
  return tensor_tile_bytes<kWidth>(kGroups * kGroupRows + 4 * kColumns);
}

// Blocks a multiprocessor should hold: as registers and shared memory allow.
template <typename Products, int kWidth, int kGroups>
constexpr int tensor_attend_blocks() {
  return (kWidth == 64 ? Products::kResident : 2) / kGroups;
}

// kGroups: warpgroups a block. parts: blocks a full tile of queries.
template <typename Products, int kWidth, int kGroups>
__global__ void __launch_bounds__(kGroups* kGroupThreads,
                                  tensor_attend_blocks<Products, kWidth, kGroups>())
    attend_tensor(MapView map, Heads heads, int parts, const core::bfloat16* qkv,
                  core::bfloat16* out, float* lse) {
  using T = core::bfloat16;
  constexpr int kRows = kGroups * kGroupRows;
  constexpr int kThreads = kGroups * kGroupThreads;
  constexpr int kBlocks = kColumns / 8;
  extern __shared__ unsigned char shared[];
  __shared__ __align__(16) KeyColumns columns;
  __shared__ QueryBounds bounds;
  T* query_tile = first_tile(shared);
  const QueryBlock block(map, heads, parts, kRows);
  if (block.rows <= 0) return;
  KeyStream<kWidth, kThreads> keys(map, heads, qkv, block, columns, query_tile + kRows * kWidth);
  const int group = static_cast<int>(threadIdx.x) / kGroupThreads;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x == 0) bounds = {INT_MAX, -1, 0u};
  keys.begin();
  for_pieces<kWidth, kRows, kThreads>([&](int r, int piece) {
    const QueryAt query = block.at(map, heads, r);
    copy_piece(query_tile + piece_at<kRows>(r, piece),
               qkv + heads.query(query.token, query.head) + piece * kPiece, r < block.rows);
    if (piece == 0 && r < block.rows) bounds.widen(query);
  });
  __syncthreads();  // the positions of step 0
  keys.bring(0);
  QuerySight sight[2];
  float largest[2], total[2], sums[kWidth / 8][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    sight[r] = block.at(map, heads, warp * 16 + lane / 4 + 8 * r);
    largest[r] = minus_infinity<float>();
    total[r] = 0.0f;
  }
  set_zero(sums);
  const float scale = kLog2e * score_scale<float>(kWidth);
  const int steps = keys.steps();
  for (int step = 0; step < steps; ++step) {
    wait_copies<0>();
    publish_to_products();
    __syncthreads();
    if (step + 1 < steps) keys.bring(step + 1);
    if (group * kGroupRows >= block.rows) continue;
    float scores[kBlocks][4];
    Products::template multiply<kWidth, kRows, kColumns>(query_tile, group * kGroupRows,
                                                         keys.keys(step), scores);
    const bool masked = keys.masked(step, bounds);
    Products::template wait<0>(scores);
    if (masked) {
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const Pair seen = keys.sees(step, sight[r], n * 8 + 2 * (lane % 4));
          if (!seen.first) scores[n][2 * r] = minus_infinity<float>();
          if (!seen.second) scores[n][2 * r + 1] = minus_infinity<float>();
        }
      }
    }
    float rescale[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float now = largest[r];
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
        now = fmaxf(now, fmaxf(scores[n][2 * r], scores[n][2 * r + 1]));
      }
      now = quad_max(now);
      // A row that has seen no key yet has a maximum of -inf: keep it out of the differences.
      const float base = now == minus_infinity<float>() ? 0.0f : __fmul_rn(now, scale);
      // The product as it was rounded then: 1 where the maximum stays.
      rescale[r] = power_of_two(__fmul_rn(largest[r], scale) - base);
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores[n][e] = power_of_two(fmaf(scores[n][e], scale, -base));
          sum += scores[n][e];
        }
      }
      largest[r] = now;
      total[r] = total[r] * rescale[r] + sum;
    }
    // Behind the first steps a maximum rarely changes.
    if (__any_sync(kFullWarp, rescale[0] != 1.0f || rescale[1] != 1.0f)) {
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[n][e] *= rescale[e / 2];
      }
    }
    unsigned weights[kBlocks / 2][4];
    pack_left(scores, weights);
    Products::template add_weighted<kWidth, kColumns>(weights, keys.values(step), sums);
    Products::template wait<0>(sums, weights);
  }
  // Found again rather than kept: registers are what the loop has least of.
  const QueryBlock same(map, heads, parts, kRows);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = quad_sum(total[r]);
    const int at = warp * 16 + lane / 4 + 8 * r;
    if (at >= same.rows) continue;
    const QueryAt query = same.at(map, heads, at);
    store_sums(sums, r, 1.0f / sum, out + heads.out(query.token, query.head));
    if (lane % 4 == 0) {
      lse[heads.lse(query.token, query.head)] = (__fmul_rn(largest[r], scale) + log2f(sum)) * kLn2;
    }
  }
}

}  // namespace unfold::gsa::kernels::cuda
