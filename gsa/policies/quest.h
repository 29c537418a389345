// Quest (Tang et al., "Quest: Query-Aware Sparsity for Efficient Long-Context LLM Inference",
// 2024): the context's keys lie in pages, a page is known by the least and the greatest value of
// each channel over its keys, and a query reads the pages whose upper bound of q . k is greatest.
//
// Rows have no gists; a page has c tokens, the chunk size of the gists. The context attends fully
// (prefix). A query behind it reads the best pages of the context, as many as the budget holds, and
// everything behind the context. The bound of a page is summed over the query heads that share the
// keys, so that they read the same pages.
#pragma once

#include <memory>

#include "gsa/policies/context_budget.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// Layers before first_layer read everything (in the paper the first two).
std::unique_ptr<AttentionPolicy> make_quest_policy(const ContextBudget& budget,
                                                   std::int64_t first_layer,
                                                   const AttentionShape& shape);

}  // namespace unfold::gsa
