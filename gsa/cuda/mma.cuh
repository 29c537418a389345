// Tensor-core pieces of the bfloat16 kernels: asynchronous copies to swizzled tiles in shared
// memory, fragments from there, and the 16 x 8 x 16 product with float32 sums (PTX ISA, "mma.sync"
// and "ldmatrix"; on sm_80 and later).
//
// A tile is kRows rows in stretches of 64 elements: all rows of the first stretch, then all rows of
// the next. The eight 16-byte pieces of a row's stretch are exchanged (piece ^ row % 8), so that
// the eight rows of a fragment lie in different banks; where the tile starts at a multiple of 1024
// bytes, that is the 128-byte swizzle of Hopper's matrix units (gsa/cuda/wgmma.cuh).
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "core/dtype.h"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kPiece = 8;     // elements of 16 bytes
inline constexpr int kStretch = 64;  // elements of 128 bytes

__device__ inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// Element index of a piece in a tile.
template <int kRows>
__device__ inline int piece_at(int row, int piece) {
  return (piece / 8) * (kRows * kStretch) + row * kStretch + ((piece ^ row) & 7) * kPiece;
}

// 16 bytes to shared memory, zeros unless `valid`; `from` must be readable either way.
__device__ inline void copy_piece(core::bfloat16* to, const core::bfloat16* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes)
               : "memory");
}
// As many bytes as a T has, 4 or 8; zeros unless `valid`.
template <typename T>
__device__ inline void copy_word(T* to, const T* from, bool valid) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  const int bytes = valid ? static_cast<int>(sizeof(T)) : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;\n" ::"r"(shared_address(to)),
               "l"(from), "n"(sizeof(T)), "r"(bytes)
               : "memory");
}
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}
// Waits until at most kPending groups are under way.
template <int kPending>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

// Four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
__device__ inline void load_matrices(unsigned row, unsigned (&to)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}
__device__ inline void load_matrices_transposed(unsigned row, unsigned (&to)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

// The address of piece 2 step + half in row `row` of a tile; row % 8 does not depend on `step`, nor
// does half, 0 or 1. The exchange of pieces is an exclusive or on bits that are 0 in the address of
// a row, so steps differ by one instruction, and multiples of eight rows by nothing but an offset.
template <int kRows>
__device__ inline unsigned matrix_row(const core::bfloat16* tile, int row, int half, int step) {
  const unsigned first =
      shared_address(tile) + static_cast<unsigned>(row * 128 + ((half ^ row) & 7) * 16);
  return (first ^ static_cast<unsigned>(step % 4 * 32)) +
         static_cast<unsigned>(step / 4 * (kRows * 128));
}

// The left operand: rows [row, row + 16), elements [16 step, 16 step + 16) of a tile.
template <int kRows>
__device__ inline void load_left(const core::bfloat16* tile, int row, int step,
                                 unsigned (&left)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  load_matrices(matrix_row<kRows>(tile + row * kStretch, lane % 16, lane / 16, step), left);
}

// The right operand of two products whose columns are the rows [row, row + 16) of a tile, elements
// [16 step, 16 step + 16): right[0, 1] for the first eight, right[2, 3] for the others.
template <int kRows>
__device__ inline void load_right(const core::bfloat16* tile, int row, int step,
                                  unsigned (&right)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int matrix = lane / 8;
  load_matrices(matrix_row<kRows>(tile, (matrix / 2) * 8 + lane % 8, matrix % 2, step) +
                    static_cast<unsigned>(row * 128),
                right);
}

// The right operand of two products over the rows [row, row + 16) of a tile, whose columns are the
// elements [16 pair, 16 pair + 16): right[0, 1] for the first eight, right[2, 3] for the others.
template <int kRows>
__device__ inline void load_right_transposed(const core::bfloat16* tile, int row, int pair,
                                             unsigned (&right)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int matrix = lane / 8;
  load_matrices_transposed(matrix_row<kRows>(tile, (matrix % 2) * 8 + lane % 8, matrix / 2, pair) +
                               static_cast<unsigned>(row * 128),
                           right);
}

// sums (16 x 8) += left (16 x 16) right (16 x 8). Lane l holds the sums of rows l / 4 (elements 0,
// 1) and l / 4 + 8 (2, 3), columns 2 (l % 4) and the next.
__device__ inline void multiply_add(float (&sums)[4], const unsigned (&left)[4], unsigned right0,
                                    unsigned right1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right0), "r"(right1));
}

// Two values rounded to bfloat16; the first in the lower half.
__device__ inline unsigned pack(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return static_cast<unsigned>(__bfloat16_as_ushort(both.x)) |
         static_cast<unsigned>(__bfloat16_as_ushort(both.y)) << 16;
}

// Two neighbouring 16 x 8 blocks of sums as the left operand of the next product.
__device__ inline void to_left(const float (&first)[4], const float (&second)[4],
                               unsigned (&left)[4]) {
  left[0] = pack(first[0], first[1]);
  left[1] = pack(first[2], first[3]);
  left[2] = pack(second[0], second[1]);
  left[3] = pack(second[2], second[3]);
}

// 16 x 8 kBlocks sums as left operands: packed[i] for the columns [16 i, 16 i + 16).
template <int kBlocks>
__device__ inline void pack_left(const float (&sums)[kBlocks][4],
                                 unsigned (&packed)[kBlocks / 2][4]) {
#pragma unroll
  for (int i = 0; i < kBlocks / 2; ++i) to_left(sums[2 * i], sums[2 * i + 1], packed[i]);
}

__device__ inline float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace unfold::gsa::kernels::cuda
