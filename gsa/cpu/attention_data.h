// Operands of the CPU attention kernels, copied from tensors to dense buffers of the accumulator
// type. A head's vectors are filled up with zeros to whole machine vectors ("row width").
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "core/cpu/scalar.h"
#include "gsa/cpu/lane_product.h"
#include "gsa/cpu/query_block.h"

namespace unfold::gsa::kernels::cpu {

template <typename A>
using Buffer = Eigen::Array<A, Eigen::Dynamic, 1>;
template <typename A>
using View = Eigen::Map<Eigen::Array<A, Eigen::Dynamic, 1>>;
template <typename A>
using ConstView = Eigen::Map<const Eigen::Array<A, Eigen::Dynamic, 1>>;

// Keys or values of one row and key/value head in gathered order: the keys of a range lie one
// behind the other.
template <typename A>
class GatheredRows {
 public:
  // section: the head's part of the row's first token; tokens are `stride` apart.
  template <typename T>
  void gather(const T* section, std::int64_t stride, const std::int32_t* order, std::int64_t length,
              std::int64_t width) {
    make(length, width, [&](std::int64_t i, A* out) {
      const T* in = section + order[i] * stride;
      for (std::int64_t d = 0; d < width; ++d) out[d] = static_cast<A>(in[d]);
    });
  }

  // Rows that are computed: row(i, out) writes `width` elements.
  template <typename Row>
  void make(std::int64_t length, std::int64_t width, Row&& row) {
    row_width_ = padded<A>(width);
    rows_.setZero(length * row_width_);
    for (std::int64_t i = 0; i < length; ++i) row(i, rows_.data() + i * row_width_);
  }

  // Makes panels() too.
  void transpose(std::int64_t length, std::int64_t width) {
    constexpr std::int64_t kLanes = Vector<A>::kLanes;
    width_ = width;
    panels_.setZero(padded<A>(length) * width);
    for (std::int64_t begin = 0; begin < length; begin += kLanes) {
      const A* in = rows_.data() + begin * row_width_;
      A* out = panels_.data() + begin * width;
      const std::int64_t count = std::min(kLanes, length - begin);
      for (std::int64_t d = 0; d < width; ++d) {
        for (std::int64_t i = 0; i < count; ++i) out[d * kLanes + i] = in[i * row_width_ + d];
      }
    }
  }

  // (keys, row width) from gathered key `begin` on.
  Vectors<const A> rows(std::int64_t begin) const {
    return {rows_.data() + begin * row_width_, row_width_};
  }
  // (width, keys), a vector being a panel of keys; from the panel that holds gathered key `key` on.
  Vectors<const A> panels(std::int64_t key) const {
    constexpr std::int64_t kLanes = Vector<A>::kLanes;
    return {panels_.data() + key / kLanes * kLanes * width_, kLanes, kLanes * width_};
  }

 private:
  Buffer<A> rows_, panels_;
  std::int64_t row_width_ = 0;
  std::int64_t width_ = 0;
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

// Asks for the memory that store_query will write, while there is still work to hide the wait.
template <typename T>
void prefetch_stores(const QueryBlock& queries, std::int64_t width, std::int64_t stride,
                     T* section) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
  for (std::size_t r = 0; r < static_cast<std::size_t>(queries.count); ++r) {
    const T* out = section + queries.position[r] * stride + queries.head[r] * width;
    for (std::int64_t d = 0; d < width; d += kLine) __builtin_prefetch(out + d, 1);
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
