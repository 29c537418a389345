// Tensors of random values, and comparisons, for the tests of every room.
#pragma once

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace unfold::testing {

using core::DType;
using core::Shape;
using core::Tensor;

inline const std::vector<DType> kFloatTypes = {DType::float64, DType::float32, DType::bfloat16};

// Spacing of the numbers just above 1: twice the largest relative error of one rounding.
inline double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 0x1p-52;
    case DType::float32:
      return 0x1p-23;
    default:
      return 0x1p-7;
  }
}

// Normal values times scale, rounded to dtype.
inline Tensor random_tensor(const Shape& shape, DType dtype, std::uint64_t seed,
                            double scale = 1.0) {
  core::Random random(seed, 77);
  std::vector<double> values(static_cast<std::size_t>(core::element_count(shape)));
  for (double& value : values) value = scale * random.normal();
  return Tensor::from(values, shape).to(dtype);
}

// Integers uniform in [0, bound).
inline Tensor random_indices(std::int64_t count, std::int64_t bound, std::uint64_t seed) {
  core::Random random(seed, 78);
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  for (auto& value : values) {
    value = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(bound)));
  }
  return Tensor::from(values, {count});
}

inline Tensor int_tensor(const std::vector<std::int32_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

inline std::vector<double> values_of(const Tensor& x) {
  return x.to_vector<double>();
}

// Largest |a - b|; infinity when shapes differ or any difference is not a number.
inline double worst_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (std::isnan(difference)) return HUGE_VAL;
    worst = std::max(worst, difference);
  }
  return worst;
}

inline double largest(const std::vector<double>& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

// Largest difference relative to the largest reference value.
inline double relative_error(const std::vector<double>& got, const std::vector<double>& reference) {
  const double difference = worst_difference(got, reference);
  return difference == 0 ? 0 : difference / std::max(largest(reference), 1e-300);
}

inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return ::testing::AssertionFailure()
           << name_of(a.dtype()) << core::to_string(a.shape()) << " against " << name_of(b.dtype())
           << core::to_string(b.shape());
  }
  const Tensor left = a.contiguous();
  const Tensor right = b.contiguous();
  const std::size_t width = core::size_of(a.dtype());
  for (std::size_t at = 0; at < left.bytes(); at += width) {
    if (std::memcmp(static_cast<const char*>(left.raw()) + at,
                    static_cast<const char*>(right.raw()) + at, width) != 0) {
      return ::testing::AssertionFailure() << "first difference at element " << at / width;
    }
  }
  return ::testing::AssertionSuccess();
}

// Sets the number of threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : previous_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(previous_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int previous_;
};

}  // namespace unfold::testing
