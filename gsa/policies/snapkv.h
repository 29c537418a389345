// SnapKV (Li et al., "SnapKV: LLM Knows What You are Looking for Before Generation", 2024): the
// prompt attends fully; then each key/value head keeps the prompt keys that the last w prompt
// queries, the observation window, gave most attention, and the window itself. Generated tokens
// read what was kept, and all that was generated.
//
// Votes are the attention of the window's queries, each by its softmax over what it sees, summed
// over the window and the query heads that share the keys; then max-pooled over neighbours, so that
// what stands around a winner is kept with it. What is kept has the size of the budget of the
// context and the rest of the prompt together. Only queries behind the prompt are sparse: the first
// generated token comes from full attention.
#pragma once

#include <memory>

#include "gsa/policies/context_budget.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// window: w, pooling: odd width of the max-pooling. Layers before first_layer keep everything.
std::unique_ptr<AttentionPolicy> make_snapkv_policy(const ContextBudget& budget,
                                                    std::int64_t window, std::int64_t pooling,
                                                    std::int64_t first_layer);

// Greatest of the `pooling` values around each.
std::vector<double> max_pool(std::span<const double> values, std::int64_t pooling);

}  // namespace unfold::gsa
