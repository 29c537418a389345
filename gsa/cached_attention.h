// Attention of new tokens of several sequences over their caches, under a policy: one layer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"
#include "gsa/key_store.h"
#include "gsa/policies/policy.h"
#include "gsa/sequence_tokens.h"
#include "gsa/step_plan.h"

namespace unfold::gsa {

// Keys read by queries that were selected for. A unit is a (query, layer, key/value head).
struct ReadCount {
  std::int64_t keys = 0;    // summed over the units
  std::int64_t scored = 0;  // pivots read to choose them, summed over the query heads of the units
  std::int64_t units = 0;

  double keys_per_query() const {
    return units == 0 ? 0 : static_cast<double>(keys) / static_cast<double>(units);
  }
  ReadCount& operator+=(const ReadCount& other) {
    keys += other.keys;
    scored += other.scored;
    units += other.units;
    return *this;
  }
};

// Told of every selected query. Kept alive by the caller.
using SelectionObserver =
    std::function<void(std::int64_t kv_head, std::int64_t position, const SelectionTrace& trace,
                       const std::vector<CacheSpan>& spans)>;

// One sequence's share of a call.
struct CachedTokens {
  const SequenceTokens* tokens = nullptr;              // the new tokens included
  KeyStore* store = nullptr;                           // receives the new keys
  std::span<const std::unique_ptr<HeadPolicy>> heads;  // (kv_heads)
  std::int64_t row = 0;           // first row of qkv; rows are the positions in order
  std::int64_t first = 0;         // position of the first new token
  std::int64_t prefix = 0;        // positions below attend over the block map
  std::int64_t observe_from = 0;  // prefix positions from here on are observed
  const SelectionObserver* observer = nullptr;
  ReadCount count;  // is added to

  // The first position that a policy is shown: to observe it or to select for it.
  std::int64_t first_shown() const;
};

// Makes room in the store for the new tokens, behind the keys of the earlier ones. Kernels do it
// before they write the keys: one of section s and position t belongs at tokens->before(s, t).
void make_room(const CachedTokens& sequence);

// qkv (tokens, shape.qkv_width()), rotated: the new tokens of all sequences. map: one row of as
// many positions, needed when some token is below its prefix; such tokens must begin at position 0.
// Returns (tokens, shape.out_width()). No gradient.
core::Tensor cached_attention(const core::Tensor& qkv, const AttentionShape& shape,
                              const BlockMap* map, std::span<CachedTokens> sequences);

// The same under a plan of these tokens (gsa/step_plan.h), which made room and counts what is read.
core::Tensor planned_attention(const core::Tensor& qkv, const BlockMap* map, const StepPlan& plan,
                               std::int64_t layer);

}  // namespace unfold::gsa
