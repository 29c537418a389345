#include "core/kernels/row_linear.h"

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/cuda/row_linear.h"
#include "core/cuda/row_product.h"

namespace unfold::core::kernels::cuda {
namespace {

bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

}  // namespace

bool multiply_few_rows(const core::cuda::Product& product) {
  const std::int64_t rows = product.rows();
  if (product.transpose_a || !product.transpose_b || rows > kFewRows || product.alpha != 1.0 ||
      (product.beta != 0.0 && product.beta != 1.0) || product.a.dtype() != product.c.dtype() ||
      product.inner() == 0) {
    return false;
  }
  bool done = false;
  on_float(product.c.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int V = kPack<T>;
    RowOperands<T> in{};
    in.x = product.a.data<T>();
    in.x_stride = product.a.strides()[0];
    in.weight = product.b.data<T>();
    in.weight_stride = product.b.strides()[0];
    if (product.bias != nullptr) in.bias = product.bias->data<T>();
    if (product.beta != 0.0) {
      in.residual = product.added().data<T>();
      in.residual_stride = product.added().strides()[0];
    }
    in.y = product.c.data<T>();
    in.y_stride = product.c.strides()[0];
    in.rows = static_cast<int>(rows);
    in.outputs = product.columns();
    in.inner = product.inner();
    const bool aligned = in.inner % V == 0 && (rows == 1 || in.x_stride % V == 0) &&
                         (in.outputs == 1 || in.weight_stride % V == 0) && is_aligned(in.x) &&
                         is_aligned(in.weight);
    done = run_rows<T>(context_of(product.c), in, {.aligned = aligned});
  });
  return done;
}

void row_linear(const Tensor& x, const Tensor& weight, const RowLinear& around, const Tensor& y) {
  if (y.size() == 0) return;
  bool done = false;
  if (y.dim(0) <= kFewRows && weight.dim(1) > 0) {
    on_float(y.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      constexpr int V = kPack<T>;
      const auto pointer = [](const Tensor& tensor) {
        return tensor.defined() ? tensor.data<T>() : nullptr;
      };
      RowOperands<T> in{};
      in.x = x.data<T>();
      in.x_stride = x.dim(1);
      in.norm = pointer(around.norm);
      in.eps = static_cast<Accumulator<T>>(around.eps);
      in.weight = weight.data<T>();
      in.weight_stride = weight.strides()[0];
      in.bias = pointer(around.bias);
      in.residual = pointer(around.residual);
      in.residual_stride = y.dim(1);
      in.y = y.data<T>();
      in.y_stride = y.dim(1);
      in.rows = static_cast<int>(y.dim(0));
      in.outputs = y.dim(1);
      in.inner = weight.dim(1);
      const bool aligned = in.inner % V == 0 && (weight.dim(0) == 1 || in.weight_stride % V == 0) &&
                           is_aligned(in.x) && is_aligned(in.weight) && is_aligned(in.norm);
      done = run_rows<T>(context_of(y), in,
                         {.gated = around.gated, .aligned = aligned, .overlaps = true});
    });
  }
  if (!done) row_linear_by_parts(x, weight, around, y);
}

}  // namespace unfold::core::kernels::cuda
