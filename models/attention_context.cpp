#include "models/attention_context.h"

#include "gsa/attention.h"

namespace unfold::models {

autograd::Variable BlockAttention::attend(std::int64_t /*layer*/, const autograd::Variable& qkv,
                                          const gsa::AttentionShape& shape) {
  return gsa::attention(qkv, shape, map_);
}

}  // namespace unfold::models
