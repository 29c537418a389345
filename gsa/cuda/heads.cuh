// Where the heads of tokens lie in the tensors of an attention layer (gsa/attention_shape.h).
#pragma once

#include <cstdint>

#include "gsa/attention_shape.h"

namespace unfold::gsa::kernels::cuda {

struct Heads {
  int heads, kv_heads, group, width;
  std::int64_t stride;      // elements of a token's qkv
  std::int64_t out_stride;  // elements of a token's out

  explicit Heads(const AttentionShape& shape)
      : heads(static_cast<int>(shape.heads)),
        kv_heads(static_cast<int>(shape.kv_heads)),
        group(static_cast<int>(shape.group())),
        width(static_cast<int>(shape.width)),
        stride(shape.qkv_width()),
        out_stride(shape.out_width()) {}

  // Elements from the first of qkv.
  __host__ __device__ std::int64_t query(std::int64_t token, int head) const {
    return token * stride + static_cast<std::int64_t>(head) * width;
  }
  __host__ __device__ std::int64_t key(std::int64_t token, int kv_head) const {
    return query(token, heads + kv_head);
  }
  __host__ __device__ std::int64_t value(std::int64_t token, int kv_head) const {
    return query(token, heads + kv_heads + kv_head);
  }
  // Elements from the first of out.
  __host__ __device__ std::int64_t out(std::int64_t token, int head) const {
    return token * out_stride + static_cast<std::int64_t>(head) * width;
  }
  // Elements from the first of lse.
  __host__ __device__ std::int64_t lse(std::int64_t token, int head) const {
    return token * heads + head;
  }
};

}  // namespace unfold::gsa::kernels::cuda
