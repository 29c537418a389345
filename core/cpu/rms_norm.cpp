#include <cmath>
#include <vector>

#include "core/cpu/scalar.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

constexpr std::int64_t kRowGrain = 64;
constexpr std::int64_t kRowBlock = 256;  // rows a partial dweight: fixed, whatever the thread count

}  // namespace

void rms_norm(const Tensor& x, const Tensor& weight, double eps, const Tensor& y,
              const Tensor& inverse_rms) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    A* inverse = inverse_rms.data<A>();
    RowReader<T> read_weight;
    const ConstArrayMap<A> w = read_weight(weight.data<T>(), width);
    parallel_for(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read;
      RowWriter<T> write;
      for (std::int64_t row = begin; row < end; ++row) {
        const auto values = read(in + row * width, width);
        const A mean_square = values.square().sum() / static_cast<A>(width);
        inverse[row] = A(1) / std::sqrt(mean_square + static_cast<A>(eps));
        write(out + row * width, width) = values * inverse[row] * w;
        write.store();
      }
    });
  });
}

// With h = x * inverse and g = dy * weight: dx = inverse * (g - h * mean(g * h)),
// dweight = sum over rows of dy * h, and y = h * weight.
void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                       const Tensor& inverse_rms, const Tensor& dx, bool add_to_dx,
                       const Tensor& dweight, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t rows = x.dim(0);
    const std::int64_t width = x.dim(1);
    const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
    std::vector<A> partial(static_cast<std::size_t>(blocks * width), A(0));
    const A* inverse = inverse_rms.data<A>();
    RowReader<T> read_weight;
    const ConstArrayMap<A> w = read_weight(weight.data<T>(), width);
    parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read_x;
      RowReader<T> read_dy;
      RowReader<T> read_dx;
      RowWriter<T> write;
      RowWriter<T> write_y;
      for (std::int64_t block = begin; block < end; ++block) {
        ArrayMap<A> dw(partial.data() + block * width, width);
        const std::int64_t stop = std::min(rows, (block + 1) * kRowBlock);
        for (std::int64_t row = block * kRowBlock; row < stop; ++row) {
          const auto values = read_x(x.data<T>() + row * width, width);
          const auto gradient = read_dy(dy.data<T>() + row * width, width);
          const A scale = inverse[row];
          const A mean = (gradient * w * values).sum() * scale / static_cast<A>(width);
          dw += gradient * values * scale;
          T* const out = dx.data<T>() + row * width;
          if (add_to_dx) {
            write(out, width) =
                read_dx(out, width) + scale * (gradient * w - values * (scale * mean));
          } else {
            write(out, width) = scale * (gradient * w - values * (scale * mean));
          }
          write.store();
          if (!y.defined()) continue;
          write_y(y.data<T>() + row * width, width) = values * scale * w;
          write_y.store();
        }
      }
    });
    A* out = dweight.data<A>();
    for (std::int64_t i = 0; i < width; ++i) {
      A total = out[i];
      for (std::int64_t block = 0; block < blocks; ++block) {
        total += partial[static_cast<std::size_t>(block * width + i)];
      }
      out[i] = total;
    }
  });
}

}  // namespace unfold::core::kernels::cpu
