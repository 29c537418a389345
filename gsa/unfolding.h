// Unfolding attention: suffix queries attend to what they selected (METHOD.md section 7).
//
// A suffix query sees, causally: the picked gists and the raw tokens of picked chunks; raw tokens it
// sees under section 5 (sinks, previous chunks); and every token behind the last top-level gist of
// its document. All other queries attend as section 5 says.
#pragma once

#include <memory>

#include "autograd/variable.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"
#include "gsa/chunk_table.h"
#include "gsa/selection.h"

namespace unfold::gsa {

// What a batch of rows needs for unfolding, built once and shared by the layers.
struct UnfoldingContext {
  std::shared_ptr<const BlockMap> map;      // gist visibility of the rows
  std::shared_ptr<const ChunkTable> table;
  SelectionConfig config;
};

// The keys of one suffix query and key/value head, as positions in its row, ascending: for the
// kernels, for `unfold inspect selection` and for counting what is attended.
std::vector<std::int32_t> unfolded_keys(const UnfoldingContext& context, const Selection& selection,
                                        std::int64_t query, std::int64_t kv_head);

// As gsa::attention, with selection for the suffix queries. Selection is a constant for the gradient;
// gists get gradients because picked ones are attended to. When `chosen` is set it receives the picks.
autograd::Variable unfolding_attention(const autograd::Variable& qkv, const AttentionShape& shape,
                                       const UnfoldingContext& context,
                                       std::shared_ptr<const Selection>* chosen = nullptr);

}  // namespace unfold::gsa
