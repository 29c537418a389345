#include "models/score.h"

#include <algorithm>

#include "autograd/ops/cross_entropy.h"

namespace unfold::models {
namespace {

using core::Tensor;

// Likeliest token of every row of `hidden` that has a target, in chunks of rows.
std::vector<std::int32_t> likeliest(const Decoder& decoder, const Tensor& hidden,
                                    std::span<const std::int32_t> targets) {
  std::vector<std::int32_t> best(targets.size(), -1);
  const std::int64_t classes = decoder.config().vocab_size;
  for (std::int64_t begin = 0; begin < hidden.dim(0); begin += autograd::kCrossEntropyRows) {
    const std::int64_t end = std::min(hidden.dim(0), begin + autograd::kCrossEntropyRows);
    const auto wanted = targets.subspan(static_cast<std::size_t>(begin),
                                        static_cast<std::size_t>(end - begin));
    if (std::all_of(wanted.begin(), wanted.end(), [](std::int32_t t) { return t < 0; })) continue;
    const std::vector<float> logits =
        decoder.logits(hidden.slice(0, begin, end)).to_vector<float>();
    for (std::int64_t row = begin; row < end; ++row) {
      if (targets[static_cast<std::size_t>(row)] < 0) continue;
      const auto first = logits.begin() + (row - begin) * classes;
      best[static_cast<std::size_t>(row)] =
          static_cast<std::int32_t>(std::max_element(first, first + classes) - first);
    }
  }
  return best;
}

}  // namespace

std::vector<float> score_tokens(Decoder& decoder, const gsa::Layout& layout,
                                std::span<const std::int32_t> tokens,
                                std::span<const std::int32_t> targets,
                                AttentionContext& attention) {
  const autograd::NoGrad no_grad;
  const std::int64_t count = layout.size();
  const Tensor hidden = decoder
                            .hidden(Tensor::from(tokens, {count}, decoder.device()),
                                    Tensor::from(layout.rope, {count}, decoder.device()), attention)
                            .value();
  return autograd::token_losses(hidden, decoder.head().value(), decoder.config().vocab_size,
                                Tensor::from(targets, {count}))
      .to_vector<float>();
}

RowScores score_rows(Decoder& decoder, const gsa::Layout& layout,
                     std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                     const gsa::GistConfig& gist, gsa::Visibility visibility, bool want_best) {
  const autograd::NoGrad no_grad;
  const auto map =
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility));
  BlockAttention attention(map);
  const std::int64_t count = layout.size();
  const Tensor hidden = decoder
                            .hidden(Tensor::from(tokens, {count}, decoder.device()),
                                    Tensor::from(layout.rope, {count}, decoder.device()), attention)
                            .value();
  RowScores scores;
  scores.loss = autograd::token_losses(hidden, decoder.head().value(), decoder.config().vocab_size,
                                       Tensor::from(targets, {count}))
                    .to_vector<float>();
  if (want_best) scores.best = likeliest(decoder, hidden, targets);
  const std::int64_t padding = std::count(layout.document.begin(), layout.document.end(), -1);
  scores.queries = count - padding;
  scores.visible_pairs = gsa::count_visible_pairs(map->reach) - padding;  // padding sees itself
  return scores;
}

}  // namespace unfold::models
