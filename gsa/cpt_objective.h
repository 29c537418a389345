// Parts of the CPT objective that are not plain cross-entropy (METHOD.md section 6).
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/variable.h"
#include "gsa/layout.h"

namespace unfold::gsa {

// "Prefix without loss": ignores (sets to `ignored`) the targets of tokens inside the prefix, which
// is everything up to and including the last top-level gist of a document. Documents without gists
// have no prefix.
void drop_prefix_targets(const Layout& layout, std::vector<std::int32_t>& targets,
                         std::int32_t ignored);

// Alignment of the two branches: mean over layers of SmoothL1(raw, gist) summed over width and over
// raw tokens (the caller divides by their number). gist_blocks: residual stream behind every block
// of the gist branch (tokens, width); raw_blocks: the same of the raw branch, taken as constants;
// raw_rows (n) int32: indices of the raw tokens.
autograd::Variable alignment_sum(const std::vector<autograd::Variable>& gist_blocks,
                                 const std::vector<core::Tensor>& raw_blocks,
                                 const core::Tensor& raw_rows);

}  // namespace unfold::gsa
