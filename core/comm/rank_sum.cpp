#include "core/comm/rank_sum.h"

#include <algorithm>

#include "core/error.h"
#include "core/kernels/float_types.h"

namespace unfold::core {

void sum_in_order(DType dtype, const std::vector<const std::byte*>& parts, std::int64_t count,
                  std::byte* out) {
  constexpr std::int64_t kBlock = 512;  // sums in the first-level cache
  kernels::on_float(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = kernels::Accumulator<T>;
    A total[kBlock];
    for (std::int64_t begin = 0; begin < count; begin += kBlock) {
      const std::int64_t block = std::min(kBlock, count - begin);
      for (std::size_t rank = 0; rank < parts.size(); ++rank) {
        const T* const values = reinterpret_cast<const T*>(parts[rank]) + begin;
        if (rank == 0) {
          for (std::int64_t i = 0; i < block; ++i) total[i] = A(values[i]);
        } else {
          for (std::int64_t i = 0; i < block; ++i) total[i] += A(values[i]);
        }
      }
      T* const sums = reinterpret_cast<T*>(out) + begin;
      for (std::int64_t i = 0; i < block; ++i) sums[i] = T(total[i]);
    }
  });
}

}  // namespace unfold::core
