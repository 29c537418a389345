// Sums over ranks, element by element, in the order of ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace unfold::core {

// out[i] = parts[0][i] + parts[1][i] + ..., in the accumulator dtype, rounded once. out may be one
// of the parts. Floating dtypes.
void sum_in_order(DType dtype, const std::vector<const std::byte*>& parts, std::int64_t count,
                  std::byte* out);

}  // namespace unfold::core
