// The CUDA side of core's kernels in a build without CUDA: a clear error instead of a link failure.
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"
#include "core/kernels/row_linear.h"
#include "core/kernels/without_cuda.h"

namespace unfold::core::kernels::cuda {

using T = const Tensor&;

void fill(T, double) {
  without_cuda("fill");
}
void copy(T, T) {
  without_cuda("copy");
}
void add(T, T, T) {
  without_cuda("add");
}
void multiply(T, T, T) {
  without_cuda("multiply");
}
void scale(T, double, T) {
  without_cuda("scale");
}
void accumulate(T, double, T) {
  without_cuda("accumulate");
}
void scale_by(T, T, T) {
  without_cuda("scale_by");
}
void accumulate_by(T, T, T) {
  without_cuda("accumulate_by");
}
void dropout(T, double, std::uint64_t, std::uint64_t, std::uint64_t, T) {
  without_cuda("dropout");
}
void sum(T, T) {
  without_cuda("sum");
}
void add_column_sums(T, T) {
  without_cuda("add_column_sums");
}
void row_linear(T, T, const RowLinear&, T) {
  without_cuda("row_linear");
}
void add_squared_norm(T, T) {
  without_cuda("add_squared_norm");
}
void add_squared_norms(const std::vector<Tensor>&, T) {
  without_cuda("add_squared_norms");
}
void matmul(T, bool, T, bool, double, double, T) {
  without_cuda("matmul");
}
void linear(T, T, T, T, T) {
  without_cuda("linear");
}
void embedding(T, T, T) {
  without_cuda("embedding");
}
void embedding_backward(T, T, std::int64_t, T) {
  without_cuda("embedding_backward");
}
void rms_norm(T, T, double, T, T) {
  without_cuda("rms_norm");
}
void rms_norm_backward(T, T, T, T, T, bool, T, T) {
  without_cuda("rms_norm_backward");
}
void rope(T, T, T, std::int64_t, bool, T) {
  without_cuda("rope");
}
void swiglu(T, T) {
  without_cuda("swiglu");
}
void swiglu_backward(T, T, T, T) {
  without_cuda("swiglu_backward");
}
void cross_entropy(T, T, bool, T) {
  without_cuda("cross_entropy");
}
void argmax_rows(T, T) {
  without_cuda("argmax_rows");
}
void gather_rows(T, T, T) {
  without_cuda("gather_rows");
}
void scatter_add_rows(T, T, T) {
  without_cuda("scatter_add_rows");
}
void smooth_l1(T, T, T) {
  without_cuda("smooth_l1");
}
void smooth_l1_backward(T, T, T, T) {
  without_cuda("smooth_l1_backward");
}
void adamw(T, T, T, T, T, const AdamWStep&, double) {
  without_cuda("adamw");
}
void adamw_lay_out(AdamWLaunch&) {
  without_cuda("adamw_lay_out");
}
void adamw_all(const AdamWLaunch&, double) {
  without_cuda("adamw_all");
}

}  // namespace unfold::core::kernels::cuda
