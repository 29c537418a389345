// One budget of context keys for all methods, so that they compare at the same number.
//
// Under selection (METHOD.md section 7) a key/value head reads of the context: S sinks, P previous
// chunks, and for each of its n_rep query heads k chunks of c tokens with their gists. A method
// without gists may read as many raw context keys; under top_p, where scores decide how many chunks
// a head takes, as many as with the paper's budget. What is really read is measured besides
// (gsa/cached_attention.h, ReadCount): heads often pick the same chunks.
#pragma once

#include <cstdint>

#include "gsa/attention_shape.h"
#include "gsa/gist_config.h"
#include "gsa/policies/policy.h"
#include "gsa/selection.h"

namespace unfold::gsa {

class ContextBudget {
 public:
  // Without gist levels pages have 8 tokens and rho is 8, unless the selection's ratio says more.
  ContextBudget(const SelectionConfig& selection, const GistConfig& gist,
                const AttentionShape& shape);

  // S + P c + n_rep k (c + 1), at most the context; k at the end of the prompt.
  std::int64_t context_keys(const SequenceFacts& facts) const;
  // The same and the raw rest of the prompt: the size of a cache that holds both.
  std::int64_t cache_keys(const SequenceFacts& facts) const;

  std::int64_t sinks() const { return gist_.sinks; }
  std::int64_t page() const { return selection_.chunk; }

 private:
  SelectionConfig selection_;
  GistConfig gist_;
  AttentionShape shape_;
};

}  // namespace unfold::gsa
