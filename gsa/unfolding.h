// Unfolding attention: suffix queries attend to what they selected (METHOD.md section 7).
//
// A suffix query sees, causally: the picked gists and the raw tokens of picked chunks; raw tokens
// it sees under section 5 (sinks, previous chunks); and every token behind the last top-level gist
// before it. All other queries attend as section 5 says.
#pragma once

#include <memory>

#include "autograd/variable.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"
#include "gsa/chunk_table.h"
#include "gsa/key_spans.h"
#include "gsa/selection.h"

namespace unfold::gsa {

// What a batch of rows needs for unfolding, built once and shared by the layers.
struct UnfoldingContext {
  std::shared_ptr<const BlockMap> map;      // section 5, of the queries that do not select
  std::shared_ptr<const ChunkTable> table;  // those that do
  SelectionConfig config;
};

// select_from: as make_chunk_table takes it.
UnfoldingContext make_unfolding_context(const Layout& layout, const GistConfig& gist,
                                        const SelectionConfig& config,
                                        std::span<const std::int32_t> select_from = {},
                                        std::int64_t query_tile = 64);

// What every suffix query of the rows picks. qkv (rows * length, shape.qkv_width()): rotated
// queries and keys, then values.
std::shared_ptr<const Selection> select(const core::Tensor& qkv, const AttentionShape& shape,
                                        const UnfoldingContext& context);

// As gsa::attention, with the suffix queries unfolding their picks. The selection is a constant for
// the gradient; gists get gradients because picked ones are attended to.
autograd::Variable unfolding_attention(const autograd::Variable& qkv, const AttentionShape& shape,
                                       const UnfoldingContext& context, const Selection& selection);

// The keys of one suffix query and key/value head, as positions in its row, ascending.
std::vector<std::int32_t> unfolded_keys(const UnfoldingContext& context, const Selection& selection,
                                        std::int64_t query, std::int64_t kv_head);

// Keys attended to, exactly: what the ratio of a report is made of.
struct AttendedKeys {
  std::int64_t suffix_queries = 0;
  double suffix_keys = 0;           // summed over suffix queries, mean over key/value heads
  std::int64_t prefix_queries = 0;  // all others, padding left out
  std::int64_t prefix_keys = 0;     // under section 5
};
AttendedKeys count_attended(const UnfoldingContext& context, const Layout& layout,
                            const Selection& selection);

}  // namespace unfold::gsa
