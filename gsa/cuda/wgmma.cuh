// Hopper's warpgroup products (PTX ISA, "wgmma"; sm_90a alone): 64 x 64 x 16 with bfloat16 operands
// and float32 sums, by the four warps of a warpgroup together. The right operand is read from a
// tile of gsa/cuda/mma.cuh, which must start at a multiple of 1024 bytes; the left one from a tile
// or from registers.
//
// Warp w of the warpgroup holds the rows [16 w, 16 w + 16) of left operands and sums, in the layout
// of the 16 x 8 x 16 product (gsa/cuda/mma.cuh).
#pragma once

#include <cstdint>

#include "gsa/cuda/mma.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define UNFOLD_WGMMA 1
#endif

namespace unfold::gsa::kernels::cuda {

#ifdef UNFOLD_WGMMA

// A descriptor of a stretch of a tile from `at` on: 128-byte swizzle, 1024 bytes from one group of
// eight rows to the next. Rows are the M or N of the operand, or its K where it is taken
// transposed; one stretch is as wide as the product, so that the other stride is never used.
__device__ inline std::uint64_t stretch_descriptor(const core::bfloat16* at) {
  constexpr std::uint64_t kSwizzle128 = std::uint64_t{1} << 62;
  constexpr std::uint64_t kEightRows = std::uint64_t{1024 / 16} << 32;
  constexpr std::uint64_t kUnused = std::uint64_t{1} << 16;
  return kSwizzle128 | kEightRows | kUnused | ((shared_address(at) & 0x3FFFFu) >> 4);
}

#define UNFOLD_WGMMA_SUMS                                                                       \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define UNFOLD_WGMMA_BLOCK(n) "+f"(sums[n][0]), "+f"(sums[n][1]), "+f"(sums[n][2]), "+f"(sums[n][3])
#define UNFOLD_WGMMA_BLOCKS                                                                   \
  UNFOLD_WGMMA_BLOCK(0), UNFOLD_WGMMA_BLOCK(1), UNFOLD_WGMMA_BLOCK(2), UNFOLD_WGMMA_BLOCK(3), \
      UNFOLD_WGMMA_BLOCK(4), UNFOLD_WGMMA_BLOCK(5), UNFOLD_WGMMA_BLOCK(6), UNFOLD_WGMMA_BLOCK(7)

// sums (64 x 64) = or += left (64 x 16) right^T (64 x 16), K along the rows of both tiles.
__device__ inline void start_product(float (*sums)[4], std::uint64_t left, std::uint64_t right,
                                     bool add) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " UNFOLD_WGMMA_SUMS
      ", %32, %33, add, 1, 1, 0, 0;\n}\n"
      : UNFOLD_WGMMA_BLOCKS
      : "l"(left), "l"(right), "r"(add ? 1 : 0));
}
// sums (64 x 64) += left (64 x 16) right (16 x 64), N along the rows of the tile.
__device__ inline void start_weighted(float (*sums)[4], const unsigned (&left)[4],
                                      std::uint64_t right) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " UNFOLD_WGMMA_SUMS
               ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;\n"
               : UNFOLD_WGMMA_BLOCKS
               : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right));
}

#undef UNFOLD_WGMMA_SUMS
#undef UNFOLD_WGMMA_BLOCK
#undef UNFOLD_WGMMA_BLOCKS

// Before the first product of a group: registers written so far are seen by it.
__device__ inline void open_products() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
__device__ inline void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
template <int kPending>
__device__ inline void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}

// Keeps the compiler from moving accesses to registers across this point.
__device__ inline void pin(float& value) {
  asm volatile("" : "+f"(value)::"memory");
}
__device__ inline void pin(unsigned& value) {
  asm volatile("" : "+r"(value)::"memory");
}
template <typename T, int kBlocks>
__device__ inline void pin(T (&values)[kBlocks][4]) {
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) pin(values[n][e]);
  }
}

#endif  // UNFOLD_WGMMA

// What this thread has written to shared memory is seen by the warpgroup products that start
// behind the next barrier.
__device__ inline void publish_to_products() {
#ifdef UNFOLD_WGMMA
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
#endif
}

}  // namespace unfold::gsa::kernels::cuda
