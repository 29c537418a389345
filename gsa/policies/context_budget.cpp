#include "gsa/policies/context_budget.h"

#include <algorithm>

namespace unfold::gsa {

namespace {
constexpr std::int64_t kPlainPage = 8;
}  // namespace

ContextBudget::ContextBudget(const SelectionConfig& selection, const GistConfig& gist,
                             const AttentionShape& shape)
    : selection_(selection), gist_(gist), shape_(shape) {
  if (gist.levels() == 0) selection_.chunk = selection_.rho = kPlainPage;
  if (selection_.budget == Budget::top_p) selection_.budget = Budget::paper;
}

std::int64_t ContextBudget::context_keys(const SequenceFacts& facts) const {
  const std::int64_t c = selection_.chunk;
  const std::int64_t chunks = (facts.context + c - 1) / c;
  // The entries of a gisted row of the same text.
  const std::int64_t k = pick_count(selection_, facts.prompt + chunks, shape_.group(),
                                    std::max<std::int64_t>(1, chunks));
  const std::int64_t keys = gist_.sinks + gist_.previous_chunks * c + shape_.group() * k * (c + 1);
  return std::min(facts.context, keys);
}

std::int64_t ContextBudget::cache_keys(const SequenceFacts& facts) const {
  return context_keys(facts) + facts.prompt - facts.context;
}

}  // namespace unfold::gsa
