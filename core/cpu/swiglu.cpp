#include "core/cpu/scalar.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

constexpr std::int64_t kRowGrain = 32;

}  // namespace

void swiglu(const Tensor& gate_up, const Tensor& y) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t width = y.dim(1);
    parallel_for(y.dim(0), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read_gate;
      RowReader<T> read_up;
      RowWriter<T> write;
      for (std::int64_t row = begin; row < end; ++row) {
        const T* in = gate_up.data<T>() + row * 2 * width;
        const auto gate = read_gate(in, width);
        const auto up = read_up(in + width, width);
        write(y.data<T>() + row * width, width) = gate * up / (1 + (-gate).exp());
        write.store();
      }
    });
  });
}

// silu'(g) = s * (1 + g * (1 - s)) with s = sigmoid(g).
void swiglu_backward(const Tensor& dy, const Tensor& gate_up, const Tensor& dgate_up,
                     const Tensor& y) {
  on_float(dy.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t width = dy.dim(1);
    // Results written over what they are made of are made of copies.
    const bool apart = !y.defined() && dgate_up.raw() != gate_up.raw();
    parallel_for(dy.dim(0), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      RowReader<T> read_gate;
      RowReader<T> read_up;
      RowReader<T> read_dy;
      RowWriter<T> write_gate;
      RowWriter<T> write_up;
      RowWriter<T> write_y;
      Eigen::Array<A, Eigen::Dynamic, 1> sigmoid(width);
      const auto run = [&](std::int64_t row, const auto& gate, const auto& up,
                           const auto& gradient) {
        T* out = dgate_up.data<T>() + row * 2 * width;
        sigmoid = (1 + (-gate).exp()).inverse();
        write_gate(out, width) = gradient * up * sigmoid * (1 + gate * (1 - sigmoid));
        write_gate.store();
        write_up(out + width, width) = gradient * gate * sigmoid;
        write_up.store();
        if (!y.defined()) return;
        write_y(y.data<T>() + row * width, width) = gate * up / (1 + (-gate).exp());
        write_y.store();
      };
      for (std::int64_t row = begin; row < end; ++row) {
        const T* in = gate_up.data<T>() + row * 2 * width;
        const auto gate = read_gate(in, width);
        const auto up = read_up(in + width, width);
        const auto gradient = read_dy(dy.data<T>() + row * width, width);
        if (apart) {
          run(row, gate, up, gradient);
        } else {
          run(row, RowBuffer<A>(gate), RowBuffer<A>(up), RowBuffer<A>(gradient));
        }
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
