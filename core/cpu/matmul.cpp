#include "core/kernels/matmul.h"

#include <algorithm>

#include "core/cpu/scalar.h"
#include "core/kernels/elementwise.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename A>
using ConstView = Eigen::Map<const Matrix<A>, 0, Eigen::OuterStride<>>;
template <typename A>
using View = Eigen::Map<Matrix<A>, 0, Eigen::OuterStride<>>;

// c is cut into tiles of about this edge, by its shape alone, and each tile is one serial product
// of Eigen: so the result is the same for every thread count. Eigen's own threading cuts the inner
// dimension by the thread count, and one thread and two then differ in the last bits from an inner
// size of about 320. Tiles of this size cost nothing against one product of the whole.
constexpr std::int64_t kTile = 256;
// Multiply-adds that are worth waking another thread.
constexpr std::int64_t kThreadWork = std::int64_t{1} << 20;

// The extent in near-equal parts of about kTile.
struct Cut {
  explicit Cut(std::int64_t size)
      : extent(size), parts(std::max<std::int64_t>(1, (size + kTile / 2) / kTile)) {}
  std::int64_t begin(std::int64_t part) const { return extent * part / parts; }
  std::int64_t length(std::int64_t part) const { return begin(part + 1) - begin(part); }
  std::int64_t extent;
  std::int64_t parts;
};

template <typename Left, typename Right, typename A, typename Out>
void multiply_tile(const Left& left, const Right& right, A alpha, A beta, Out out) {
  if (beta == A(0)) {
    out.noalias() = alpha * (left * right);
    return;
  }
  if (beta != A(1)) out *= beta;
  out.noalias() += alpha * (left * right);
}

template <typename Left, typename Right, typename A>
void multiply_into(const Left& left, const Right& right, A alpha, A beta, View<A> out) {
  static const bool eigen_is_serial = (Eigen::setNbThreads(1), true);
  static_cast<void>(eigen_is_serial);
  const Cut rows(out.rows());
  const Cut columns(out.cols());
  const std::int64_t tiles = rows.parts * columns.parts;
  const std::int64_t work = std::max<std::int64_t>(1, out.size() * left.cols() / tiles);
  parallel_for(tiles, (kThreadWork + work - 1) / work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t row = tile % rows.parts;
      const std::int64_t column = tile / rows.parts;
      const auto rows_of_left = left.middleRows(rows.begin(row), rows.length(row));
      const auto columns_of_right = right.middleCols(columns.begin(column), columns.length(column));
      multiply_tile(rows_of_left, columns_of_right, alpha, beta,
                    out.block(rows.begin(row), columns.begin(column), rows.length(row),
                              columns.length(column)));
    }
  });
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
