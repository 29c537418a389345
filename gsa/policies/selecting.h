// The selecting policies: gsa, h_gsa, mean_pool and random (METHOD.md section 7).
//
// A raw token behind the context with a top-level gist before it selects; every other query attends
// as section 5 says, and so does every query of the layers before the first that selects.
#pragma once

#include <memory>

#include "gsa/policies/policy.h"

namespace unfold::gsa {

// descend: over all levels; else all level-0 gists are candidates. config: complete.
std::unique_ptr<AttentionPolicy> make_selecting_policy(const SelectionConfig& config, bool descend,
                                                       std::int64_t first_layer,
                                                       const GistConfig& gist,
                                                       const AttentionShape& shape);

}  // namespace unfold::gsa
