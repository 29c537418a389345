// Heads of an attention layer and how they lie in a row of projections.
#pragma once

#include <cstdint>

namespace unfold::gsa {

// A row of qkv holds `heads` query heads, then kv_heads key heads, then kv_heads value heads, each
// of `width` elements. Query head h reads key/value head h / group().
struct AttentionShape {
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  std::int64_t width = 64;

  std::int64_t group() const { return heads / kv_heads; }  // n_rep
  std::int64_t qkv_width() const { return (heads + 2 * kv_heads) * width; }
  std::int64_t out_width() const { return heads * width; }
};

}  // namespace unfold::gsa
