// The matrix product inside the CPU attention kernels: c (+)= a b, with rows of b and c taken as
// vectors.
//
// The operands are a few dozen rows each, too small for the packing of a general matrix product to
// pay. None is needed here: elements of a are broadcast from wherever they lie, and a column of c,
// one vector wide, stays in registers while the depth is walked. The order of the sums depends on
// nothing but the depth.
#pragma once

#include <cstdint>

namespace unfold::gsa::kernels::cpu {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

template <typename A>
struct Vector {
  static constexpr std::int64_t kLanes = kVectorBytes / static_cast<int>(sizeof(A));
  // Needs no more than the alignment of its elements.
  typedef A Type __attribute__((vector_size(kVectorBytes), aligned(sizeof(A)), may_alias));
};

// The smallest number of whole vectors' lanes that holds `count` elements.
template <typename A>
constexpr std::int64_t padded(std::int64_t count) {
  return (count + Vector<A>::kLanes - 1) / Vector<A>::kLanes * Vector<A>::kLanes;
}

// Element (i, k) is data[i * row_stride + k * depth_stride]: a matrix or its transpose.
template <typename A>
struct Strided {
  const A* data;
  std::int64_t row_stride;
  std::int64_t depth_stride;
};

// Rows `stride` apart, each of whole vectors.
template <typename A>
struct Rows {
  A* data;
  std::int64_t stride;
};

namespace detail {

// Count rows x one vector of c. Eight rows hide the latency of the multiply-add in nine registers.
template <typename A, int Count>
void multiply_column(Strided<A> a, Rows<const A> b, std::int64_t depth, bool add, Rows<A> c) {
  using V = typename Vector<A>::Type;
  V sum[Count];
  for (int i = 0; i < Count; ++i) {
    sum[i] = add ? *reinterpret_cast<const V*>(c.data + i * c.stride) : V{};
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const V right = *reinterpret_cast<const V*>(b.data + k * b.stride);
    for (int i = 0; i < Count; ++i) {
      sum[i] += a.data[i * a.row_stride + k * a.depth_stride] * right;
    }
  }
  for (int i = 0; i < Count; ++i) *reinterpret_cast<V*>(c.data + i * c.stride) = sum[i];
}

template <typename A, int Count>
void multiply_rows(Strided<A> a, Rows<const A> b, std::int64_t depth, std::int64_t lanes, bool add,
                   Rows<A> c) {
  for (std::int64_t lane = 0; lane < lanes; lane += Vector<A>::kLanes) {
    multiply_column<A, Count>(a, {b.data + lane, b.stride}, depth, add, {c.data + lane, c.stride});
  }
}

}  // namespace detail

// c = a b, or c += a b: a (rows, depth), b (depth, lanes), c (rows, lanes). When lanes is not a
// multiple of a vector's, the rest of the last vector is read and written too.
template <typename A>
void multiply(Strided<A> a, Rows<const A> b, std::int64_t rows, std::int64_t depth,
              std::int64_t lanes, bool add, Rows<A> c) {
  const auto step = [&](std::int64_t count) {
    a.data += count * a.row_stride;
    c.data += count * c.stride;
    rows -= count;
  };
  for (; rows >= 8; step(8)) detail::multiply_rows<A, 8>(a, b, depth, lanes, add, c);
  for (; rows >= 4; step(4)) detail::multiply_rows<A, 4>(a, b, depth, lanes, add, c);
  for (; rows >= 1; step(1)) detail::multiply_rows<A, 1>(a, b, depth, lanes, add, c);
}

}  // namespace unfold::gsa::kernels::cpu
