#include "core/kernels/matmul.h"

#include "core/cuda/blas.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/cuda/row_product.h"

namespace unfold::core::kernels::cuda {
namespace {

using core::cuda::Blas;
using core::cuda::Product;

constexpr int kTile = 16;

// A matrix by the steps to the next row and column of op(x).
template <typename T>
struct Steps {
  Steps(const Tensor& x, bool transpose)
      : data(x.data<T>()),
        row(transpose ? 1 : x.strides()[0]),
        column(transpose ? x.strides()[0] : 1) {}
  T* data;
  std::int64_t row;
  std::int64_t column;
};

// The product where cuBLASLt has no algorithm: for unusual strides and alignments, and sums over
// nothing. A block makes one tile of c after the other; every sum runs over the inner dimension in
// order.
template <typename T, typename C>
__global__ void __launch_bounds__(kTile* kTile)
    plain_kernel(Steps<T> a, Steps<T> b, Steps<C> added, const C* bias, Steps<C> c,
                 std::int64_t rows, std::int64_t columns, std::int64_t inner, Accumulator<T> alpha,
                 Accumulator<T> beta) {
  using A = Accumulator<T>;
  __shared__ A left[kTile][kTile + 1];  // one more, so that columns lie in different banks
  __shared__ A right[kTile][kTile + 1];
  const std::int64_t across = (columns + kTile - 1) / kTile;
  const std::int64_t tiles = across * ((rows + kTile - 1) / kTile);
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t row = tile / across * kTile + y;
    const std::int64_t column = tile % across * kTile + x;
    A sum = 0;
    for (std::int64_t at = 0; at < inner; at += kTile) {
      left[y][x] =
          row < rows && at + x < inner ? widen(a.data[row * a.row + (at + x) * a.column]) : A(0);
      right[y][x] = at + y < inner && column < columns
                        ? widen(b.data[(at + y) * b.row + column * b.column])
                        : A(0);
      __syncthreads();
#pragma unroll
      for (int k = 0; k < kTile; ++k) sum += left[y][k] * right[k][x];
      __syncthreads();
    }
    if (row < rows && column < columns) {
      C& out = c.data[row * c.row + column * c.column];
      A value = alpha * sum;
      if (beta != A(0)) {
        value += beta * widen(added.data[row * added.row + column * added.column]);
      }
      if (bias != nullptr) value += widen(bias[column]);
      if constexpr (std::is_same_v<C, A>) {
        out = value;
      } else {
        out = narrow<C>(value);
      }
    }
  }
}

template <typename T, typename C>
void multiply(const Context& context, const Product& product) {
  using A = Accumulator<T>;
  const Steps<T> a(product.a, product.transpose_a);
  const Steps<T> b(product.b, product.transpose_b);
  const Steps<C> added(product.added(), false);
  const C* const bias = product.bias != nullptr ? product.bias->data<C>() : nullptr;
  const Steps<C> c(product.c, false);
  if (product.inner() > 0 && Blas::of(context).multiply(product)) return;
  const std::int64_t tiles = divide_up(product.rows(), kTile) * divide_up(product.columns(), kTile);
  launch(context, "matmul", plain_kernel<T, C>, grid_for(context, tiles, 1), dim3(kTile, kTile), a,
         b, added, bias, c, product.rows(), product.columns(), product.inner(), A(product.alpha),
         A(product.beta));
}

}  // namespace

void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double alpha,
            double beta, const Tensor& c) {
  if (c.size() == 0) return;
  const Product product = {a, transpose_a, b, transpose_b, alpha, beta, c};
  if (multiply_few_rows(product)) return;
  const Context& context = context_of(c);
  on_float(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    if (c.dtype() == dtype_of<T>) {
      multiply<T, T>(context, product);
    } else if constexpr (!std::is_same_v<T, A>) {
      multiply<T, A>(context, product);
    } else {
      check(false, "matmul", "{} into {}", name_of(a.dtype()), name_of(c.dtype()));
    }
  });
}

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
            const Tensor& y) {
  if (y.size() == 0) return;
  const Product product = {x,
                           false,
                           weight,
                           true,
                           1.0,
                           residual.defined() ? 1.0 : 0.0,
                           y,
                           residual.defined() ? &residual : nullptr,
                           bias.defined() ? &bias : nullptr};
  if (multiply_few_rows(product)) return;
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    multiply<T, T>(context_of(y), product);
  });
}

}  // namespace unfold::core::kernels::cuda
