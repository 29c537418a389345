// Operands of the CPU attention kernels, copied from tensors to dense buffers of the accumulator
// type. A head's vectors are filled up with zeros to whole machine vectors ("row width").
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "core/cpu/scalar.h"
#include "gsa/cpu/attention_blocks.h"
#include "gsa/cpu/lane_product.h"

namespace unfold::gsa::kernels::cpu {

template <typename A>
using Buffer = Eigen::Array<A, Eigen::Dynamic, 1>;
template <typename A>
using View = Eigen::Map<Eigen::Array<A, Eigen::Dynamic, 1>>;
template <typename A>
using ConstView = Eigen::Map<const Eigen::Array<A, Eigen::Dynamic, 1>>;

// Keys or values of one row and key/value head in gathered order, so that the keys of a range lie
// one behind the other; as they are and transposed.
template <typename A>
class GatheredRows {
 public:
  // section: the head's part of the row's first token, tokens being `stride` apart.
  template <typename T>
  void gather(const T* section, std::int64_t stride, const std::int32_t* order, std::int64_t length,
              std::int64_t width, bool want_rows, bool want_columns) {
    width_ = padded<A>(width);
    // An odd number of vectors apart: powers of two would fall into one cache set.
    length_ = (padded<A>(length) / Vector<A>::kLanes | 1) * Vector<A>::kLanes + Vector<A>::kLanes * 2;
    rows_.setZero(length * width_);
    for (std::int64_t i = 0; i < length; ++i) {
      const T* in = section + order[i] * stride;
      A* out = rows_.data() + i * width_;
      for (std::int64_t d = 0; d < width; ++d) out[d] = static_cast<A>(in[d]);
    }
    static_cast<void>(want_rows);
    if (!want_columns) return;
    using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    columns_.setZero(width * length_);
    Eigen::Map<Matrix, 0, Eigen::OuterStride<>>(columns_.data(), width, length, Eigen::OuterStride<>(length_)) =
        Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>(rows_.data(), length, width, Eigen::OuterStride<>(width_)).transpose();
  }

  // Row by row from gathered key `begin` on: (keys, row width).
  Rows<const A> rows(std::int64_t begin) const { return {rows_.data() + begin * width_, width_}; }
  // (width, keys)
  Rows<const A> columns(std::int64_t begin) const { return {columns_.data() + begin, length_}; }

 private:
  Buffer<A> rows_, columns_;
  std::int64_t width_ = 0, length_ = 0;
};

// The queries' vectors of a section of heads, times scale: out (queries, row width).
// section: the row's first token, tokens being `stride` apart.
template <typename T, typename A>
void load_queries(const T* section, std::int64_t stride, const QueryBlock& queries,
                  std::int64_t width, A scale, Buffer<A>& out) {
  const std::int64_t row_width = padded<A>(width);
  out.setZero(queries.count * row_width);
  for (std::int64_t r = 0; r < queries.count; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const T* in = section + queries.position[i] * stride + queries.head[i] * width;
    A* to = out.data() + r * row_width;
    for (std::int64_t d = 0; d < width; ++d) to[d] = scale * static_cast<A>(in[d]);
  }
}

// The inverse: stores query r's vector, times scale, rounding to T.
template <typename T, typename A>
void store_query(const Buffer<A>& in, std::int64_t r, A scale, const QueryBlock& queries,
                 std::int64_t width, std::int64_t stride, T* section) {
  const auto i = static_cast<std::size_t>(r);
  const A* from = in.data() + r * padded<A>(width);
  T* out = section + queries.position[i] * stride + queries.head[i] * width;
  for (std::int64_t d = 0; d < width; ++d) out[d] = T(scale * from[d]);
}

}  // namespace unfold::gsa::kernels::cpu
