#include "core/kernels/matmul.h"

#include "core/cpu/scalar.h"
#include "core/kernels/elementwise.h"

namespace unfold::core::kernels::cpu {
namespace {

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename A>
using ConstView = Eigen::Map<const Matrix<A>, 0, Eigen::OuterStride<>>;
template <typename A>
using View = Eigen::Map<Matrix<A>, 0, Eigen::OuterStride<>>;

template <typename Left, typename Right, typename A>
void multiply_into(const Left& left, const Right& right, A alpha, A beta, View<A> out) {
  if (beta == A(0)) {
    out.noalias() = alpha * (left * right);
    return;
  }
  if (beta != A(1)) out *= beta;
  out.noalias() += alpha * (left * right);
}

template <typename A>
void multiply_views(ConstView<A> a, bool transpose_a, ConstView<A> b, bool transpose_b, A alpha,
                    A beta, View<A> c) {
  if (!transpose_a && !transpose_b) multiply_into(a, b, alpha, beta, c);
  if (transpose_a && !transpose_b) multiply_into(a.transpose(), b, alpha, beta, c);
  if (!transpose_a && transpose_b) multiply_into(a, b.transpose(), alpha, beta, c);
  if (transpose_a && transpose_b) multiply_into(a.transpose(), b.transpose(), alpha, beta, c);
}

template <typename A>
ConstView<A> view(const Tensor& x) {
  return {x.data<A>(), x.dim(0), x.dim(1), Eigen::OuterStride<>(x.strides()[0])};
}

template <typename A>
View<A> mutable_view(const Tensor& x) {
  return {x.data<A>(), x.dim(0), x.dim(1), Eigen::OuterStride<>(x.strides()[0])};
}

}  // namespace

void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double alpha,
            double beta, const Tensor& c) {
  if (c.size() == 0) return;
  if (a.dtype() == DType::bfloat16) {  // multiply in float32, round once at the end
    const bool narrow = c.dtype() == DType::bfloat16;
    const Tensor wide = !narrow     ? c
                        : beta == 0 ? Tensor::empty(c.shape(), DType::float32)
                                    : c.to(DType::float32);
    matmul(a.to(DType::float32), transpose_a, b.to(DType::float32), transpose_b, alpha, beta, wide);
    if (narrow) copy(wide, c);
    return;
  }
  on_float(c.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, bfloat16>) {
      multiply_views<T>(view<T>(a), transpose_a, view<T>(b), transpose_b, static_cast<T>(alpha),
                        static_cast<T>(beta), mutable_view<T>(c));
    }
  });
}

}  // namespace unfold::core::kernels::cpu
