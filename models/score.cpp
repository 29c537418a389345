#include "models/score.h"

#include <algorithm>

#include "autograd/ops/cross_entropy.h"

namespace unfold::models {

using core::Tensor;

std::vector<float> score_tokens(Decoder& decoder, const gsa::Layout& layout,
                                std::span<const std::int32_t> tokens,
                                std::span<const std::int32_t> targets,
                                AttentionContext& attention) {
  const autograd::NoGrad no_grad;
  const std::int64_t count = layout.size();
  const ForwardOptions options = {.positions = gsa::position_count(layout)};
  const Tensor hidden =
      decoder
          .hidden(Tensor::from(tokens, {count}, decoder.device()),
                  Tensor::from(layout.rope, {count}, decoder.device()), attention, options)
          .value();
  return autograd::token_losses(hidden, decoder.head().value(), decoder.config().vocab_size,
                                Tensor::from(targets, {count}))
      .to_vector<float>();
}

RowScores score_rows(Decoder& decoder, const gsa::Layout& layout,
                     std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                     const gsa::GistConfig& gist, gsa::Visibility visibility) {
  const auto map =
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility));
  BlockAttention attention(map);
  RowScores scores;
  scores.loss = score_tokens(decoder, layout, tokens, targets, attention);
  const std::int64_t padding = std::count(layout.document.begin(), layout.document.end(), -1);
  scores.queries = layout.size() - padding;
  scores.visible_pairs = gsa::count_visible_pairs(map->reach) - padding;  // padding sees itself
  return scores;
}

}  // namespace unfold::models
