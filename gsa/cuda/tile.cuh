// The tile of the general kernels: 16 rows by 32 columns of scores, for every dtype and head width.
//
// A block has four warps. Warp w owns the rows w, w + 4, w + 8 and w + 12, and lane j of every warp
// the column j. Vectors of the rows stay in shared memory, those of 32 columns at a time are
// brought there; scores, weights and what is summed up live in registers.
#pragma once

#include <cstdint>

#include "gsa/cuda/scalar.cuh"

namespace unfold::gsa::kernels::cuda {

inline constexpr int kTileWarps = 4;
inline constexpr int kTileThreads = kTileWarps * kWarp;
inline constexpr int kWarpRows = 4;
inline constexpr int kTileRows = kTileWarps * kWarpRows;
inline constexpr int kTileColumns = kWarp;
inline constexpr int kMaxWidth = 256;

// kChunks: a vector fills as many stretches of 32 elements, the rest is zeros.
template <int kChunks>
struct TileShape {
  static constexpr int kRow = kChunks * kWarp;         // elements between rows
  static constexpr int kColumn = kChunks * kWarp + 1;  // between columns: no bank conflicts
};

// Bytes of shared memory for `sets` sets of row vectors and one of column vectors.
template <typename A, int kChunks>
constexpr std::size_t tile_bytes(int sets) {
  using Shape = TileShape<kChunks>;
  return sizeof(A) *
         static_cast<std::size_t>(sets * kTileRows * Shape::kRow + kTileColumns * Shape::kColumn);
}

// Brings vectors of columns to shared memory: lane j holds the source of column j, or nullptr.
// All threads of the block take part; they must meet before and after.
template <int kChunks, typename T, typename A>
__device__ void load_columns(const T* source, int width, A* columns) {
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int step = 0; step < kTileColumns / kTileWarps; ++step) {
    const int j = warp + step * kTileWarps;
    const T* from = reinterpret_cast<const T*>(
        __shfl_sync(kFullWarp, reinterpret_cast<unsigned long long>(source), j));
    A* to = columns + j * TileShape<kChunks>::kColumn;
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int d = c * kWarp + lane;
      to[d] = from != nullptr && d < width ? widen(from[d]) : A(0);
    }
  }
}

// Brings the vector of one row, times scale, to shared memory; zeros for nullptr. One warp.
template <int kChunks, typename T, typename A>
__device__ void load_row(const T* from, int width, A scale, A* to) {
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
    const int d = c * kWarp + lane;
    to[d] = from != nullptr && d < width ? scale * widen(from[d]) : A(0);
  }
}

// products[i] = row (warp + 4 i) . column (lane), for the rows below `count`. Summed 16 elements at
// a time, and those sums: a chain of all would lose more the longer it is.
template <int kChunks, typename A>
__device__ void multiply(const A* rows, const A* columns, int width, int count,
                         A (&products)[kWarpRows]) {
  constexpr int kStep = 16;
  const int warp = threadIdx.x / kWarp;
  const A* column = columns + (threadIdx.x % kWarp) * TileShape<kChunks>::kColumn;
  const A* row = rows + warp * TileShape<kChunks>::kRow;
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) products[i] = A(0);
  // Vectors are filled up with zeros to a multiple of 32.
  for (int begin = 0; begin < width; begin += kStep) {
    A sums[kWarpRows] = {};
#pragma unroll
    for (int d = begin; d < begin + kStep; ++d) {
      const A value = column[d];
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        if (warp + i * kTileWarps < count) {
          sums[i] += row[i * kTileWarps * TileShape<kChunks>::kRow + d] * value;
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) products[i] += sums[i];
  }
}

// sums[i] += sum over columns j of weights[i] of lane j times column j: that of the 32 columns
// first, since a chain over all columns of a row would lose more the longer it is.
template <int kChunks, typename A>
__device__ void accumulate(const A (&weights)[kWarpRows], const A* columns, int count,
                           A (&sums)[kWarpRows][kChunks]) {
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  A tile[kWarpRows][kChunks] = {};
#pragma unroll 4
  for (int j = 0; j < kTileColumns; ++j) {
    A weight[kWarpRows];
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) weight[i] = __shfl_sync(kFullWarp, weights[i], j);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const A value = columns[j * TileShape<kChunks>::kColumn + c * kWarp + lane];
#pragma unroll
      for (int i = 0; i < kWarpRows; ++i) {
        if (warp + i * kTileWarps < count) tile[i][c] += weight[i] * value;
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
#pragma unroll
    for (int c = 0; c < kChunks; ++c) sums[i][c] += tile[i][c];
  }
}

// Takes intervals [x, y) one behind the other, kTileColumns indices at a time. The same in all
// threads but for `lane`, the column a thread asks for.
struct IntervalWalk {
  const int2* interval;
  const int2* end;
  int used;  // indices of *interval that are done

  // The column's next index, or -1; false when there are no more for any column.
  __device__ bool next(int lane, int& index) {
    index = -1;
    int filled = 0;
    while (filled < kTileColumns && interval != end) {
      const int2 here = *interval;
      const int begin = here.x + used;
      const int left = here.y - begin;
      const int room = kTileColumns - filled;
      const int take = left < room ? left : room;
      if (lane >= filled && lane < filled + take) index = begin + lane - filled;
      filled += take;
      if (take == left) {
        ++interval;
        used = 0;
      } else {
        used += take;
      }
    }
    return filled > 0;
  }
};

}  // namespace unfold::gsa::kernels::cuda
