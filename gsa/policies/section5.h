// The view of a query under METHOD.md section 5, as spans of cached keys; and gist_only, the policy
// that reads just these.
//
// Within a section the visible keys are the sinks and one interval that ends at the query, because
// reach never falls along a section (gsa/reach.h). So a view is two counts a section, and costs
// nothing that grows with the sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/policies/policy.h"

namespace unfold::gsa {

// First index of a section's visible interval [first, before(section, position + 1)), sinks aside.
std::int32_t first_visible(const SequenceTokens& tokens, const GistConfig& gist,
                           std::int64_t position, int section);
// Number of sinks of a section: [0, sinks) are among the first S tokens.
std::int32_t sink_count(const SequenceTokens& tokens, const GistConfig& gist, std::int64_t position,
                        int section);
// Appends the raw keys of the view. In a sequence with links (METHOD.md section 8) a raw token also
// sees the anchors before it; a link sees of raw keys only these.
void append_raw_section5(const SequenceTokens& tokens, const GistConfig& gist,
                         std::int64_t position, std::vector<CacheSpan>& spans);
// Appends the whole view. A link sees every gist before it.
void append_section5(const SequenceTokens& tokens, const GistConfig& gist, std::int64_t position,
                     std::vector<CacheSpan>& spans);
// Appends every key at or before the position.
void append_causal(const SequenceTokens& tokens, std::int64_t position,
                   std::vector<CacheSpan>& spans);

std::unique_ptr<AttentionPolicy> make_full_policy();
std::unique_ptr<AttentionPolicy> make_gist_only_policy(const GistConfig& gist);

}  // namespace unfold::gsa
