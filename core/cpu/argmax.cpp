#include "core/cpu/scalar.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {

void argmax_rows(const Tensor& logits, const Tensor& best) {
  on_float(logits.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = logits.dim(1);
    std::int32_t* const out = best.data<std::int32_t>();
    parallel_for(logits.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T* const in = logits.data<T>() + row * width;
        std::int64_t found = 0;
        for (std::int64_t i = 1; i < width; ++i) {
          if (static_cast<A>(in[i]) > static_cast<A>(in[found])) found = i;
        }
        out[row] = static_cast<std::int32_t>(found);
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
