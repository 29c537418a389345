// The matrix product inside the CPU attention kernels: c (+)= a b, with rows of b and c taken as
// vectors.
//
// The operands are a few dozen rows each, too small for the packing of a general matrix product to
// pay. None is needed here: elements of a are broadcast from wherever they lie, and a column of c,
// one vector wide, stays in registers while the depth is walked. The order of the sums depends on
// nothing but the depth.
#pragma once

#include <cstdint>

#include "gsa/cpu/vector.h"

namespace unfold::gsa::kernels::cpu {

// Element (i, k) is data[i * row_stride + k * depth_stride]: a matrix or its transpose.
template <typename A>
struct Strided {
  const A* data;
  std::int64_t row_stride;
  std::int64_t depth_stride;
};

// Vectors of whole lanes: the v-th of row i is at data + i * row_stride + v * vector_stride.
template <typename A>
struct Vectors {
  A* data;
  std::int64_t row_stride;
  std::int64_t vector_stride = Vector<A>::kLanes;
};

namespace detail {

// Count rows x one vector of c. Eight rows hide the latency of the multiply-add in nine registers.
template <typename A, int Count>
void multiply_column(Strided<A> a, Vectors<const A> b, std::int64_t depth, bool add, Vectors<A> c) {
  using V = typename Vector<A>::Type;
  V sum[Count];
  for (int i = 0; i < Count; ++i) {
    sum[i] = add ? *reinterpret_cast<const V*>(c.data + i * c.row_stride) : V{};
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const V right = *reinterpret_cast<const V*>(b.data + k * b.row_stride);
    for (int i = 0; i < Count; ++i) {
      sum[i] += a.data[i * a.row_stride + k * a.depth_stride] * right;
    }
  }
  for (int i = 0; i < Count; ++i) *reinterpret_cast<V*>(c.data + i * c.row_stride) = sum[i];
}

template <typename A, int Count>
void multiply_rows(Strided<A> a, Vectors<const A> b, std::int64_t depth, std::int64_t vectors,
                   bool add, Vectors<A> c) {
  for (; vectors > 0; --vectors) {
    multiply_column<A, Count>(a, b, depth, add, c);
    b.data += b.vector_stride;
    c.data += c.vector_stride;
  }
}

}  // namespace detail

// c = a b, or c += a b: a (rows, depth), b (depth, vectors), c (rows, vectors).
template <typename A>
void multiply(Strided<A> a, Vectors<const A> b, std::int64_t rows, std::int64_t depth,
              std::int64_t vectors, bool add, Vectors<A> c) {
  const auto step = [&](std::int64_t count) {
    a.data += count * a.row_stride;
    c.data += count * c.row_stride;
    rows -= count;
  };
  for (; rows >= 8; step(8)) detail::multiply_rows<A, 8>(a, b, depth, vectors, add, c);
  for (; rows >= 4; step(4)) detail::multiply_rows<A, 4>(a, b, depth, vectors, add, c);
  for (; rows >= 2; step(2)) detail::multiply_rows<A, 2>(a, b, depth, vectors, add, c);
  for (; rows >= 1; step(1)) detail::multiply_rows<A, 1>(a, b, depth, vectors, add, c);
}

}  // namespace unfold::gsa::kernels::cpu
