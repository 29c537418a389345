// Helpers shared by the CPU kernels: rows seen in the type sums are taken in.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

#include "core/kernels/float_types.h"

namespace unfold::core::kernels::cpu {

using kernels::Accumulator;
using kernels::on_float;

template <typename T>
using ArrayMap = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <typename T>
using ConstArrayMap = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

// Scratch rows start on a full vector: Eigen takes the elements before the first aligned one by
// themselves, in another order and with another exp, so an arbitrary start would change results.
template <typename A>
using RowBuffer = Eigen::Array<A, Eigen::Dynamic, 1>;

// A row of T as accumulator values: the row itself, or a converted copy for bfloat16.
template <typename T>
class RowReader {
 public:
  using A = Accumulator<T>;
  ConstArrayMap<A> operator()(const T* row, std::int64_t width) {
    if constexpr (std::is_same_v<T, A>) {
      return {row, width};
    } else {
      buffer_.resize(width);
      A* out = buffer_.data();
      for (std::int64_t i = 0; i < width; ++i) out[i] = A(row[i]);
      return {buffer_.data(), width};
    }
  }

 private:
  RowBuffer<A> buffer_;
};

// Where accumulator values of a row go: the row itself, or a buffer rounded to bfloat16 by store().
template <typename T>
class RowWriter {
 public:
  using A = Accumulator<T>;
  ArrayMap<A> operator()(T* row, std::int64_t width) {
    row_ = row;
    width_ = width;
    if constexpr (std::is_same_v<T, A>) {
      return {row, width};
    } else {
      buffer_.resize(width);
      return {buffer_.data(), width};
    }
  }
  void store() {
    if constexpr (!std::is_same_v<T, A>) {
      const A* in = buffer_.data();
      for (std::int64_t i = 0; i < width_; ++i) row_[i] = T(in[i]);
    }
  }

 private:
  RowBuffer<A> buffer_;
  T* row_ = nullptr;
  std::int64_t width_ = 0;
};

}  // namespace unfold::core::kernels::cpu
