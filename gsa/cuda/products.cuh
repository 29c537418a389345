// The two products attention is made of, by 128 threads (a warpgroup), in two ways: with mma.sync
// (sm_80 and later) and with wgmma (sm_90a). Warp w of the warpgroup has the rows [16 w, 16 w + 16)
// of all sums, lane l of it the rows l / 4 (elements 0, 1) and l / 4 + 8 (2, 3) and the columns
// 8 n + 2 (l % 4) and the next of block n.
//
// Products are started in order and complete in order. wait<n>(arrays ...) waits until at most n
// are under way; the arrays are those of the products that it waits for, which must not be touched
// in between.
#pragma once

#include "gsa/cuda/wgmma.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kGroupThreads = 128;  // of a warpgroup
inline constexpr int kGroupRows = 64;

struct SyncProducts {
  // Blocks of a warpgroup that a multiprocessor should hold, with sums of 64 x 64: fragments of the
  // operands need registers.
  static constexpr int kResident = 3;
  static constexpr int kResidentPairs = 3;  // with two such sums
  // Whether the forward is better off with blocks of two warpgroups, which share the keys they
  // read: where products are that fast, they are read almost as fast as the cache gives them.
  static constexpr bool kShareKeys = false;

  // sums (64 x kColumns) = rows [row, row + 64) of a tile of kRows rows times the kColumns rows of
  // another.
  template <int kWidth, int kRows, int kColumns>
  static __device__ void multiply(const core::bfloat16* left_tile, int row,
                                  const core::bfloat16* right_tile,
                                  float (&sums)[kColumns / 8][4]) {
    row += static_cast<int>(threadIdx.x) % kGroupThreads / 32 * 16;
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
    }
#pragma unroll
    for (int step = 0; step < kWidth / 16; ++step) {
      unsigned left[4];
      load_left<kRows>(left_tile, row, step, left);
#pragma unroll
      for (int pair = 0; pair < kColumns / 16; ++pair) {
        unsigned right[4];
        load_right<kColumns>(right_tile, pair * 16, step, right);
        multiply_add(sums[2 * pair], left, right[0], right[1]);
        multiply_add(sums[2 * pair + 1], left, right[2], right[3]);
      }
    }
  }

  // sums (64 x kWidth) += weights (64 x kRows, of pack_left) times the kRows rows of a tile.
  template <int kWidth, int kRows>
  static __device__ void add_weighted(unsigned (&weights)[kRows / 16][4],
                                      const core::bfloat16* tile, float (&sums)[kWidth / 8][4]) {
#pragma unroll
    for (int step = 0; step < kRows / 16; ++step) {
#pragma unroll
      for (int pair = 0; pair < kWidth / 16; ++pair) {
        unsigned right[4];
        load_right_transposed<kRows>(tile, step * 16, pair, right);
        multiply_add(sums[2 * pair], weights[step], right[0], right[1]);
        multiply_add(sums[2 * pair + 1], weights[step], right[2], right[3]);
      }
    }
  }

  template <int kPending, typename... Arrays>
  static __device__ void wait(Arrays&...) {}
};

// In code for other GPUs, the products of SyncProducts: which kernels there are and how they are
// launched may not depend on what they are compiled for.
struct WarpgroupProducts : SyncProducts {
  static constexpr int kResident = 4;
  static constexpr int kResidentPairs = 2;  // with three, products are done one at a time
  static constexpr bool kShareKeys = true;

#ifdef UNFOLD_WGMMA
  template <int kWidth, int kRows, int kColumns>
  static __device__ void multiply(const core::bfloat16* left_tile, int row,
                                  const core::bfloat16* right_tile,
                                  float (&sums)[kColumns / 8][4]) {
    static_assert(kColumns == 64);
    pin(sums);
    open_products();
#pragma unroll
    for (int step = 0; step < kWidth / 16; ++step) {
      // 16 elements further within a stretch are 32 bytes.
      const int stretch = step / 4;
      const int within = step % 4 * 16;
      start_product(
          sums, stretch_descriptor(left_tile + (stretch * kRows + row) * kStretch + within),
          stretch_descriptor(right_tile + stretch * kColumns * kStretch + within), step > 0);
    }
    commit_products();
  }

  template <int kWidth, int kRows>
  static __device__ void add_weighted(unsigned (&weights)[kRows / 16][4],
                                      const core::bfloat16* tile, float (&sums)[kWidth / 8][4]) {
    pin(weights);
    pin(sums);
    open_products();
#pragma unroll
    for (int step = 0; step < kRows / 16; ++step) {
#pragma unroll
      for (int stretch = 0; stretch < kWidth / kStretch; ++stretch) {
        start_weighted(sums + stretch * 8, weights[step],
                       stretch_descriptor(tile + (stretch * kRows + step * 16) * kStretch));
      }
    }
    commit_products();
  }

  template <int kPending, typename... Arrays>
  static __device__ void wait(Arrays&... arrays) {
    wait_products<kPending>();
    (pin(arrays), ...);
  }
#endif
};

}  // namespace unfold::gsa::kernels::cuda
