#include <cmath>

#include "core/cpu/scalar.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {

void cross_entropy(const Tensor& logits, const Tensor& targets, bool want_gradient,
                   const Tensor& losses) {
  on_float(logits.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = logits.dim(1);
    const std::int32_t* target = targets.data<std::int32_t>();
    A* loss = losses.data<A>();
    parallel_for(logits.dim(0), 4, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read;
      RowWriter<T> write;
      for (std::int64_t row = begin; row < end; ++row) {
        T* in = logits.data<T>() + row * width;
        if (target[row] < 0) {
          loss[row] = A(0);
          if (want_gradient) std::fill_n(in, width, T(A(0)));
          continue;
        }
        const auto values = read(in, width);
        const A largest = values.maxCoeff();
        const A chosen = values[target[row]];
        if (want_gradient) {
          auto probability = write(in, width);
          probability = (values - largest).exp();
          const A total = probability.sum();
          loss[row] = std::log(total) + largest - chosen;
          probability *= A(1) / total;
          probability[target[row]] -= A(1);
          write.store();
        } else {
          loss[row] = std::log((values - largest).exp().sum()) + largest - chosen;
        }
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
