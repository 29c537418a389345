#include "core/kernels/float_types.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {

void rope(const Tensor& x, const Tensor& positions, const Tensor& table, std::int64_t rotated,
          bool inverse, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = x.dim(1);
    const std::int64_t head = table.dim(1);
    const std::int64_t half = head / 2;
    const std::int32_t* position = positions.data<std::int32_t>();
    const A* angles = table.data<A>();
    const A direction = inverse ? A(-1) : A(1);
    parallel_for(x.dim(0), 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const A* cosine = angles + position[row] * head;
        const A* sine = cosine + half;
        const T* in = x.data<T>() + row * width;
        T* out = y.data<T>() + row * width;
        for (std::int64_t h = 0; h < rotated; ++h) {
          const T* in_head = in + h * head;
          T* out_head = out + h * head;
          // y is x or apart from it, so an iteration touches what no other one does; the compiler
          // cannot see that among five pointers of one type, and would not vectorise.
#pragma GCC ivdep
          for (std::int64_t i = 0; i < half; ++i) {
            const A first = A(in_head[i]);
            const A second = A(in_head[i + half]);
            const A turned = direction * sine[i];
            out_head[i] = T(first * cosine[i] - second * turned);
            out_head[i + half] = T(second * cosine[i] + first * turned);
          }
        }
        if (out != in) std::copy(in + rotated * head, in + width, out + rotated * head);
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
