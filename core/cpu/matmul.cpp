#include "core/kernels/matmul.h"

#include <algorithm>
#include <type_traits>

#include "core/cpu/scalar.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename A>
using ConstView = Eigen::Map<const Matrix<A>, 0, Eigen::OuterStride<>>;
template <typename A>
using View = Eigen::Map<Matrix<A>, 0, Eigen::OuterStride<>>;

// c is cut into tiles by its shape alone, and each tile is one serial product of Eigen: so the
// result is the same for every thread count. Eigen's own threading cuts the inner dimension by the
// thread count, and one thread and two then differ in the last bits from an inner size of about
// 320. Tiles of kEdge x kEdge cost nothing against one product of the whole. Narrower ones cost up
// to a tenth, less than idle cores do where there are too few; rows are the cheaper side to cut.
constexpr std::int64_t kEdge = 256;
constexpr std::int64_t kLeastEdge = 64;
constexpr std::int64_t kEnoughTiles = 8;
// Multiply-adds that are worth waking another thread.
constexpr std::int64_t kThreadWork = std::int64_t{1} << 20;

// An extent in near-equal parts of about `edge`.
struct Cut {
  Cut(std::int64_t size, std::int64_t edge)
      : extent(size), parts(std::max<std::int64_t>(1, (size + edge / 2) / edge)) {}
  std::int64_t begin(std::int64_t part) const { return extent * part / parts; }
  std::int64_t length(std::int64_t part) const { return begin(part + 1) - begin(part); }
  std::int64_t extent;
  std::int64_t parts;
};

Cut cut_rows(std::int64_t rows, std::int64_t column_parts) {
  std::int64_t edge = kEdge;
  while (edge > kLeastEdge && Cut(rows, edge).parts * column_parts < kEnoughTiles) edge /= 2;
  return {rows, edge};
}

// A matrix as it lies in memory.
template <typename T>
struct Stored {
  explicit Stored(const Tensor& x)
      : data(x.data<T>()), rows(x.dim(0)), columns(x.dim(1)), stride(x.strides()[0]) {}
  Stored middle_rows(std::int64_t begin, std::int64_t count) const {
    Stored part = *this;
    part.data += begin * stride;
    part.rows = count;
    return part;
  }
  Stored middle_columns(std::int64_t begin, std::int64_t count) const {
    Stored part = *this;
    part.data += begin;
    part.columns = count;
    return part;
  }
  T* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;
};

// A matrix as accumulator values: itself, or a converted copy for bfloat16.
template <typename T>
class Reader {
 public:
  using A = Accumulator<T>;
  ConstView<A> operator()(const Stored<T>& x) {
    if constexpr (std::is_same_v<T, A>) {
      return {x.data, x.rows, x.columns, Eigen::OuterStride<>(x.stride)};
    } else {
      copy_.resize(x.rows, x.columns);
      for (std::int64_t row = 0; row < x.rows; ++row) {
        const T* in = x.data + row * x.stride;
        A* out = copy_.data() + row * x.columns;
        for (std::int64_t i = 0; i < x.columns; ++i) out[i] = A(in[i]);
      }
      return {copy_.data(), x.rows, x.columns, Eigen::OuterStride<>(x.columns)};
    }
  }

 private:
  Matrix<A> copy_;
};

template <typename Left, typename Right, typename A>
void multiply_views(const Left& left, const Right& right, A alpha, A beta, View<A> out) {
  // Eigen's own assignment of a product clears and adds as well: one instance, not two.
  if (beta == A(0)) {
    out.setZero();
  } else if (beta != A(1)) {
    out *= beta;
  }
  out.noalias() += alpha * (left * right);
}

template <typename A>
void multiply_views(ConstView<A> a, bool transpose_a, ConstView<A> b, bool transpose_b, A alpha,
                    A beta, View<A> c) {
  if (!transpose_a && !transpose_b) multiply_views(a, b, alpha, beta, c);
  if (transpose_a && !transpose_b) multiply_views(a.transpose(), b, alpha, beta, c);
  if (!transpose_a && transpose_b) multiply_views(a, b.transpose(), alpha, beta, c);
  if (transpose_a && transpose_b) multiply_views(a.transpose(), b.transpose(), alpha, beta, c);
}

// c = alpha * op(a) op(b) + beta * c for one tile of c, rounded once when C is bfloat16.
template <typename C, typename A>
void multiply_tile(ConstView<A> a, bool transpose_a, ConstView<A> b, bool transpose_b, A alpha,
                   A beta, const Stored<C>& c) {
  if constexpr (std::is_same_v<C, A>) {
    multiply_views<A>(a, transpose_a, b, transpose_b, alpha, beta,
                      {c.data, c.rows, c.columns, Eigen::OuterStride<>(c.stride)});
  } else {
    Matrix<A> wide(c.rows, c.columns);
    for (std::int64_t row = 0; beta != A(0) && row < c.rows; ++row) {
      for (std::int64_t i = 0; i < c.columns; ++i) wide(row, i) = A(c.data[row * c.stride + i]);
    }
    multiply_views<A>(a, transpose_a, b, transpose_b, alpha, beta,
                      {wide.data(), c.rows, c.columns, Eigen::OuterStride<>(c.columns)});
    for (std::int64_t row = 0; row < c.rows; ++row) {
      for (std::int64_t i = 0; i < c.columns; ++i) c.data[row * c.stride + i] = C(wide(row, i));
    }
  }
}

// T: of a and b, C: of c.
template <typename T, typename C>
void multiply(const Stored<T>& a, bool transpose_a, const Stored<T>& b, bool transpose_b,
              double alpha, double beta, const Stored<C>& c) {
  using A = Accumulator<T>;
  static const bool eigen_is_serial = (Eigen::setNbThreads(1), true);
  static_cast<void>(eigen_is_serial);
  const Cut columns(c.columns, kEdge);
  const Cut rows = cut_rows(c.rows, columns.parts);
  const std::int64_t tiles = rows.parts * columns.parts;
  const std::int64_t inner = transpose_a ? a.rows : a.columns;
  const std::int64_t work = std::max<std::int64_t>(1, c.rows * c.columns * inner / tiles);
  parallel_for(tiles, (kThreadWork + work - 1) / work, [&](std::int64_t begin, std::int64_t end) {
    Reader<T> read_left;
    Reader<T> read_right;
    for (std::int64_t tile = begin;
         tile < end;) {  // down the rows, so that a right part is read once
      const std::int64_t column = tile / rows.parts;
      const std::int64_t at = columns.begin(column);
      const std::int64_t width = columns.length(column);
      const ConstView<A> right =
          read_right(transpose_b ? b.middle_rows(at, width) : b.middle_columns(at, width));
      for (; tile < end && tile / rows.parts == column; ++tile) {
        const std::int64_t first = rows.begin(tile % rows.parts);
        const std::int64_t count = rows.length(tile % rows.parts);
        const ConstView<A> left =
            read_left(transpose_a ? a.middle_columns(first, count) : a.middle_rows(first, count));
        multiply_tile<C, A>(left, transpose_a, right, transpose_b, A(alpha), A(beta),
                            c.middle_rows(first, count).middle_columns(at, width));
      }
    }
  });
}

}  // namespace

void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double alpha,
            double beta, const Tensor& c) {
  if (c.size() == 0) return;
  on_float(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    if (c.dtype() == dtype_of<T>) {
      multiply(Stored<T>(a), transpose_a, Stored<T>(b), transpose_b, alpha, beta, Stored<T>(c));
    } else if constexpr (!std::is_same_v<T, A>) {
      multiply(Stored<T>(a), transpose_a, Stored<T>(b), transpose_b, alpha, beta, Stored<A>(c));
    } else {
      check(false, "matmul", "{} into {}", name_of(a.dtype()), name_of(c.dtype()));
    }
  });
}

}  // namespace unfold::core::kernels::cpu
