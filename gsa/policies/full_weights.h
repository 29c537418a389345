// Attention weights of a query of the prompt under full attention, for methods that judge keys by
// what they got.
#pragma once

#include <span>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// Adds to sums[i] the attention that raw key i, i <= position, gets from the query, summed over the
// heads of the group. The sequence has no gists.
void add_full_weights(const PolicyQuery& query, const AttentionShape& shape,
                      std::span<double> sums);

}  // namespace unfold::gsa
