// Attention by the definition, for tests: one pair at a time, visible or not by the rule of
// gsa/visibility.h, every score of a row in memory at once.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/dtype.h"
#include "gsa/attention_shape.h"
#include "gsa/gist_config.h"
#include "gsa/layout.h"

namespace unfold::gsa {

struct DenseAttention {
  std::vector<double> out;   // (tokens, shape.out_width())
  std::vector<double> dqkv;  // (tokens, shape.qkv_width())
};

// qkv (tokens, shape.qkv_width()), dout (tokens, shape.out_width()). precision is what a version
// composed of plain ops in that dtype would have: products are summed in the accumulator dtype, and
// scores, weights, outputs and gradients are rounded to the dtype. float64 is the reference.
DenseAttention dense_attention(const std::vector<double>& qkv, const std::vector<double>& dout,
                               const AttentionShape& shape, const Layout& layout,
                               const GistConfig& config, Visibility visibility,
                               core::DType precision = core::DType::float64);

// The same for any rule: sees(row, query head, q, k) with k <= q, positions in the row.
using SeesKey =
    std::function<bool(std::int64_t row, std::int64_t head, std::int64_t q, std::int64_t k)>;
DenseAttention dense_attention(const std::vector<double>& qkv, const std::vector<double>& dout,
                               const AttentionShape& shape, const Layout& layout,
                               const SeesKey& sees, core::DType precision = core::DType::float64);

}  // namespace unfold::gsa
