// Attention of selective finetuning: suffix queries unfold what they select (METHOD.md section 7).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "gsa/unfolding.h"
#include "models/attention_context.h"

namespace unfold::models {

struct UnfoldingOptions {
  // Layers below it attend under section 5 alone. In layer 0 all gists have the same input, and so
  // nothing to select by.
  std::int64_t first_layer = 1;
  // Every layer that selects leaves its routing loss (gsa/routing_loss.h) for take_losses().
  bool routing_loss = false;
  bool keep_selections = false;
};

// Whole rows at once, differentiable. The selection is a constant for the gradient.
class UnfoldingAttention : public AttentionContext {
 public:
  // select_from: as gsa::make_chunk_table takes it.
  UnfoldingAttention(const gsa::Layout& layout, const gsa::GistConfig& gist,
                     const gsa::SelectionConfig& selection, const UnfoldingOptions& options = {},
                     std::span<const std::int32_t> select_from = {});

  autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                            const gsa::AttentionShape& shape) override;
  // The sum over queries and query heads of the layer attended last, when routing_loss is set:
  // divide by gsa::routing_terms and by the layers that select.
  std::vector<autograd::Variable> take_losses() override;

  const gsa::UnfoldingContext& context() const { return context_; }
  bool selects(std::int64_t layer) const { return layer >= options_.first_layer; }
  // With keep_selections: what every layer attended so far selected; null for those that do not.
  const std::vector<std::shared_ptr<const gsa::Selection>>& selections() const {
    return selections_;
  }

 private:
  UnfoldingOptions options_;
  gsa::UnfoldingContext context_;
  std::shared_ptr<const gsa::BlockMap> all_queries_;  // for layers that do not select
  std::vector<autograd::Variable> losses_;
  std::vector<std::shared_ptr<const gsa::Selection>> selections_;
};

}  // namespace unfold::models
