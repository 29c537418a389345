// StreamingLLM (Xiao et al., "Efficient Streaming Language Models with Attention Sinks", 2023):
// every query, those of the prompt too, reads the first S tokens of the sequence and a window of
// the most recent ones. Rows have no gists.
//
// The window is as long as the budget of the context and the rest of the prompt allow, less the
// sinks; it moves on with generation. Positions stay those of the text: the paper renumbers them
// inside the cache, which matters only beyond the length a model was trained for.
#pragma once

#include <memory>

#include "gsa/policies/context_budget.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// Layers before first_layer read everything.
std::unique_ptr<AttentionPolicy> make_streaming_policy(const ContextBudget& budget,
                                                       std::int64_t first_layer);

}  // namespace unfold::gsa
