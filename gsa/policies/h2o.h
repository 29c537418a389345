// H2O (Zhang et al., "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language
// Models", 2023): the cache of each key/value head keeps a fixed number of keys, half of them the
// most recent, half the heavy hitters: those that got most attention so far. When a token comes
// into a full cache, the key with the least accumulated attention is dropped for good (greedy
// eviction).
//
// Attention is summed over the query heads that share the keys. The prompt attends fully and its
// attention is accumulated; then the cache is cut to its size: the budget of the context and the
// rest of the prompt together. Only queries behind the prompt are sparse.
#pragma once

#include <memory>

#include "gsa/policies/context_budget.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// Layers before first_layer keep everything.
std::unique_ptr<AttentionPolicy> make_h2o_policy(const ContextBudget& budget,
                                                 std::int64_t first_layer);

}  // namespace unfold::gsa
