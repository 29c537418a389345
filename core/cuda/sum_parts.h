// Sums of what ranks sent, on a GPU. Called on a stream of communication, not the device's own.
#pragma once

#include <cstdint>
#include <span>

#include "core/dtype.h"

namespace unfold::core::cuda {

inline constexpr int kMostParts = 8;

struct PartsSum {
  const void* parts[kMostParts] = {};
  void* out = nullptr;
  void* second = nullptr;  // gets the same; null: nothing
  std::int64_t count = 0;  // elements
};

// For each of the sums: out[i] = parts[0][i] + ... + parts[n - 1][i], in this order, in the
// accumulator dtype and rounded once. Any memory that the device sees and that is aligned as its
// elements are; at multiples of 16 bytes it is much faster. out and second may be parts, not
// overlap one in part. The device is the current one. stream: cudaStream_t.
void sum_parts(DType dtype, int parts, std::span<const PartsSum> sums, void* stream);

}  // namespace unfold::core::cuda
