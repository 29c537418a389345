// Rounding to bfloat16 that is right on average: up or down with the probability of the distance.
//
// A running mean in bfloat16 would stop moving once its steps fall below half a spacing (2^-9 of
// the value); rounded like this, what is lost in one step is gained in another.
#pragma once

#include <bit>
#include <cstdint>

#include "core/dtype.h"

namespace unfold::core {

// One of the two neighbours of a value, its expectation being the value when the low 16 bits of
// `random` are uniform. Values that bfloat16 has, infinities and NaN stay what they are.
constexpr bfloat16 round_stochastically(float value, std::uint32_t random) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bfloat16(value);
  // The 16 bits that go are how far the value stands above the lower magnitude: they carry into the
  // kept half as often as the distance says, for either sign.
  bfloat16 rounded;
  rounded.bits = static_cast<std::uint16_t>((bits + (random & 0xffffu)) >> 16);
  return rounded;
}

}  // namespace unfold::core
