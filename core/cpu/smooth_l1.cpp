#include "core/cpu/scalar.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {

// SmoothL1(d) = d^2 / 2 for |d| < 1, else |d| - 1/2: both are m (|d| - m / 2) with m = min(|d|, 1).
void smooth_l1(const Tensor& x, const Tensor& target, const Tensor& losses) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = x.dim(1);
    parallel_for(x.dim(0), 64, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read_x;
      RowReader<T> read_target;
      RowBuffer<A> distance(width);
      for (std::int64_t row = begin; row < end; ++row) {
        distance = (read_x(x.data<T>() + row * width, width) -
                    read_target(target.data<T>() + row * width, width))
                       .abs();
        losses.data<A>()[row] =
            (distance.min(A(1)) * (distance - A(0.5) * distance.min(A(1)))).sum();
      }
    });
  });
}

void smooth_l1_backward(const Tensor& dlosses, const Tensor& x, const Tensor& target,
                        const Tensor& dx) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = x.dim(1);
    parallel_for(x.dim(0), 64, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read_x;
      RowReader<T> read_target;
      RowWriter<T> write;
      for (std::int64_t row = begin; row < end; ++row) {
        write(dx.data<T>() + row * width, width) =
            dlosses.data<A>()[row] * (read_x(x.data<T>() + row * width, width) -
                                      read_target(target.data<T>() + row * width, width))
                                         .max(A(-1))
                                         .min(A(1));
        write.store();
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
