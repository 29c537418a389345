// The rows of a block of scores of unfolding: suffix queries whose key spans have much in common.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/cpu/query_block.h"
#include "gsa/key_spans.h"

namespace unfold::gsa::kernels::cpu {

// Some suffix queries of one document, with the heads of one key/value head. A block makes the
// scores of all its queries against every panel of keys that one of them visits.
struct UnfoldedBlock {
  std::int32_t document = 0;
  std::int32_t kv_head = 0;
  std::int32_t first = 0;  // queries [first, first + count) of ChunkTable::suffix
  std::int32_t count = 0;
  std::vector<KeySpan> panels;  // ascending, with gaps between: panel i holds keys
                                // [i * lanes, (i + 1) * lanes) of the document
};

// All blocks, a document and key/value head after the other. Queries join a block while the panels
// made are not many times those needed. lanes: keys a panel.
std::vector<UnfoldedBlock> plan_blocks(const ChunkTable& table, const AttentionShape& shape,
                                       const KeySpans& spans, std::int32_t lanes);

// The queries of a block, stacked query by query.
void take(const UnfoldedBlock& block, const ChunkTable& table, const AttentionShape& shape,
          QueryBlock& queries);

}  // namespace unfold::gsa::kernels::cpu
