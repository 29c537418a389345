// Matrix products by cuBLASLt.
#pragma once

#include <cublasLt.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "core/cuda/context.h"
#include "core/tensor.h"

namespace unfold::core::cuda {

// A product as core/kernels/matmul.h defines it: c = alpha * op(a) op(b) + beta * added + bias.
struct Product {
  const Tensor& a;
  bool transpose_a;
  const Tensor& b;
  bool transpose_b;
  double alpha;
  double beta;
  const Tensor& c;
  const Tensor* other = nullptr;  // what beta multiplies, shaped as c: null for c itself
  const Tensor* bias = nullptr;   // one value a column of c, contiguous; null for none

  const Tensor& added() const { return other != nullptr ? *other : c; }
  std::int64_t rows() const { return c.dim(0); }
  std::int64_t columns() const { return c.dim(1); }
  std::int64_t inner() const { return a.dim(transpose_a ? 0 : 1); }
};

// cuBLASLt on one device: its handle, its workspace, and the algorithm found for each shape.
// Float32 is multiplied in float32 (never TF32), bfloat16 with sums in float32, also where a sum is
// split among blocks. The same product takes the same algorithm, and gives the same bits, every
// time.
class Blas {
 public:
  // Of a device; made when it first multiplies, kept until the process ends.
  static Blas& of(const Context& context);

  explicit Blas(const Context& context);
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // False when cuBLASLt has no algorithm for the product: nothing was done. No extent may be 0; it
  // has none for a bias in float64 or not aligned to 16 bytes.
  bool multiply(const Product& product);

 private:
  struct Plan;
  // Shapes, transposes, strides, dtypes, alignments, whether there is something to add, and a bias.
  using Key = std::array<std::int64_t, 17>;

  std::shared_ptr<const Plan> plan_for(const Product& product);

  cublasLtHandle_t handle_ = nullptr;
  cudaStream_t stream_;
  Tensor workspace_;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const Plan>> plans_;
};

}  // namespace unfold::core::cuda
