#include "models/unfolding_attention.h"

#include <algorithm>
#include <utility>

#include "gsa/attention.h"
#include "gsa/routing_loss.h"

namespace unfold::models {

using autograd::Variable;

UnfoldingAttention::UnfoldingAttention(const gsa::Layout& layout, const gsa::GistConfig& gist,
                                       const gsa::SelectionConfig& selection,
                                       const UnfoldingOptions& options,
                                       std::span<const std::int32_t> select_from)
    : options_(options),
      context_(gsa::make_unfolding_context(layout, gist, selection, select_from)) {
  if (options.first_layer <= 0) return;
  all_queries_ = std::make_shared<const gsa::BlockMap>(
      gsa::make_block_map(layout, gist, gsa::Visibility::gist));
}

Variable UnfoldingAttention::attend(std::int64_t layer, const Variable& qkv,
                                    const gsa::AttentionShape& shape) {
  losses_.clear();  // of a layer whose losses nobody took
  if (options_.keep_selections) {
    selections_.resize(std::max(selections_.size(), static_cast<std::size_t>(layer) + 1));
  }
  if (!selects(layer)) return gsa::attention(qkv, shape, all_queries_);
  const std::shared_ptr<const gsa::Selection> selection = gsa::select(qkv.value(), shape, context_);
  if (options_.keep_selections) selections_[static_cast<std::size_t>(layer)] = selection;
  if (options_.routing_loss) {
    losses_.push_back(gsa::routing_loss(qkv, shape, *context_.table, context_.map->length()));
  }
  return gsa::unfolding_attention(qkv, shape, context_, *selection);
}

std::vector<Variable> UnfoldingAttention::take_losses() {
  return std::exchange(losses_, {});
}

}  // namespace unfold::models
