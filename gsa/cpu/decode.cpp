#include "gsa/kernels/decode.h"

#include <cmath>

#include "core/cpu/scalar.h"
#include "core/parallel.h"

namespace unfold::gsa::kernels::cpu {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

void decode_attention(const Tensor& qkv, const Tensor& keys, const Tensor& values,
                      std::int64_t count, const AttentionShape& shape, const Tensor& out) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t stride = shape.kv_heads * shape.width;
    core::parallel_for(shape.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      Eigen::Array<A, Eigen::Dynamic, 1> scores(count);
      Eigen::Array<A, Eigen::Dynamic, 1> sum(shape.width);
      for (std::int64_t head = begin; head < end; ++head) {
        const T* query = qkv.data<T>() + head * shape.width;
        const T* key = keys.data<T>() + head / shape.group() * shape.width;
        const T* value = values.data<T>() + head / shape.group() * shape.width;
        const A scale = A(1) / std::sqrt(A(shape.width));
        for (std::int64_t j = 0; j < count; ++j) {
          A dot = 0;
          for (std::int64_t d = 0; d < shape.width; ++d)
            dot += A(query[d]) * A(key[j * stride + d]);
          scores[j] = dot * scale;
        }
        scores = (scores - scores.maxCoeff()).exp();
        const A total = scores.sum();
        sum.setZero();
        for (std::int64_t j = 0; j < count; ++j) {
          for (std::int64_t d = 0; d < shape.width; ++d) {
            sum[d] += scores[j] * A(value[j * stride + d]);
          }
        }
        T* target = out.data<T>() + head * shape.width;
        for (std::int64_t d = 0; d < shape.width; ++d) target[d] = T(sum[d] / total);
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
