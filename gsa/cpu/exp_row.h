// The exponentials of the CPU attention kernels.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <numbers>

#include "gsa/cpu/vector.h"

namespace unfold::gsa::kernels::cpu {

namespace detail {

// exp(x) = 2^n exp(r) with n = round(x / ln 2): exp(r), |r| <= ln(2) / 2, by its Taylor series up
// to the order whose remainder is below half a unit in the last place.
template <typename A>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr int kOrder = 7;
  static constexpr float kLn2High = 0x1.62e4p-1f;  // ln 2 in two parts: n times the first is exact
  static constexpr float kLn2Low = 0x1.7f7d1cf79abcap-20f;
};
template <>
struct ExpConstants<double> {
  static constexpr int kOrder = 13;
  static constexpr double kLn2High = 0x1.62e42fee00000p-1;
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
};

template <typename A, int Order>
constexpr std::array<A, Order + 1> inverse_factorials() {
  std::array<A, Order + 1> values{};
  double value = 1;
  for (int k = 0; k <= Order; ++k) {
    if (k > 0) value /= k;
    values[static_cast<std::size_t>(k)] = static_cast<A>(value);
  }
  return values;
}

}  // namespace detail

// Combines the lanes of a vector, halves first: a few steps instead of a chain through all lanes.
template <typename A, typename Combine>
A reduce(const typename Vector<A>::Type& vector, Combine&& combine) {
  A lane[Vector<A>::kLanes];
  for (std::int64_t i = 0; i < Vector<A>::kLanes; ++i) lane[i] = vector[i];
  for (std::int64_t half = Vector<A>::kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t i = 0; i < half; ++i) lane[i] = combine(lane[i], lane[i + half]);
  }
  return lane[0];
}

// row[i] = exp(row[i] - shift) for i < count, a multiple of the vector's lanes; returns their sum.
// No difference may be above 0, but for rounding. Where it is so far below that the result would
// not be a normal number, and at -inf, the result is exactly 0.
template <typename A>
A exp_row(A* row, std::int64_t count, A shift) {
  using V = typename Vector<A>::Type;
  using Bits = typename Vector<A>::UnsignedType;  // wraps where the result is dropped
  using Unsigned = typename Vector<A>::Unsigned;
  using Constants = detail::ExpConstants<A>;
  static constexpr auto kTerms = detail::inverse_factorials<A, Constants::kOrder>();
  constexpr int kMantissaBits = std::numeric_limits<A>::digits - 1;
  // Adding this rounds to an integer, which then stands in the low bits.
  constexpr A kRound = static_cast<A>(Unsigned{3} << (kMantissaBits - 1));
  constexpr A kLowest =
      static_cast<A>((std::numeric_limits<A>::min_exponent - 1) * std::numbers::ln2);
  V total = {};
  for (std::int64_t i = 0; i < count; i += Vector<A>::kLanes) {
    const V x = *reinterpret_cast<const V*>(row + i) - shift;
    const V rounded = x * static_cast<A>(std::numbers::log2e) + kRound;
    const V n = rounded - kRound;
    const V r = (x - n * Constants::kLn2High) - n * Constants::kLn2Low;
    V sum = V{} + kTerms[Constants::kOrder];
    for (int k = Constants::kOrder - 1; k >= 0; --k) {
      sum = sum * r + kTerms[static_cast<std::size_t>(k)];
    }
    // 2^n: shifted to the exponent, the low bits of `rounded` become n; those above fall off.
    const Bits power =
        (reinterpret_cast<const Bits&>(rounded) << kMantissaBits) + std::bit_cast<Unsigned>(A(1));
    const V value = sum * reinterpret_cast<const V&>(power);
    const V kept = x > kLowest ? value : V{};
    *reinterpret_cast<V*>(row + i) = kept;
    total += kept;
  }
  return reduce<A>(total, [](A a, A b) { return a + b; });
}

// The largest of count elements, a multiple of the vector's lanes.
template <typename A>
A largest_of_row(const A* row, std::int64_t count) {
  using V = typename Vector<A>::Type;
  V largest = *reinterpret_cast<const V*>(row);
  for (std::int64_t i = Vector<A>::kLanes; i < count; i += Vector<A>::kLanes) {
    const V x = *reinterpret_cast<const V*>(row + i);
    largest = x > largest ? x : largest;
  }
  return reduce<A>(largest, [](A a, A b) { return a > b ? a : b; });
}

}  // namespace unfold::gsa::kernels::cpu
