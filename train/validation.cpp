#include "train/validation.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numbers>
#include <string>
#include <utility>

#include "gsa/block_map.h"
#include "models/score.h"
#include "models/unfolding_attention.h"

namespace unfold::train {
namespace {

// score(batch): the loss of every token of the batch.
template <typename Score>
ValidationLoss validate_under(std::string name, std::span<const data::Batch> batches,
                              core::Communicator& world, Score&& score) {
  double nats = 0;
  std::array<std::int64_t, 2> counts = {0, 0};  // targets, bytes
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(world.world_size())) != world.rank())
      continue;
    double sum = 0;
    for (const float loss : score(batches[i])) sum += loss;
    nats += sum;
    world.note_progress();
    counts[0] += batches[i].valid_targets;
    counts[1] += batches[i].target_bytes;
  }
  world.all_reduce_sum(std::span<double>(&nats, 1));
  world.all_reduce_sum(std::span<std::int64_t>(counts));
  ValidationLoss result;
  result.visibility = std::move(name);
  result.loss = nats / static_cast<double>(std::max<std::int64_t>(1, counts[0]));
  result.bits_per_byte =
      nats / std::numbers::ln2 / static_cast<double>(std::max<std::int64_t>(1, counts[1]));
  result.tokens = counts[0];
  return result;
}

bool has_gists(std::span<const data::Batch> batches) {
  return std::any_of(batches.begin(), batches.end(), [](const data::Batch& batch) {
    return std::any_of(batch.layout.level.begin(), batch.layout.level.end(),
                       [](std::int8_t level) { return level >= 0; });
  });
}

}  // namespace

std::vector<ValidationLoss> validate(models::Decoder& decoder, std::span<const data::Batch> batches,
                                     const gsa::GistConfig& gist,
                                     const std::optional<gsa::SelectionConfig>& selection,
                                     core::Communicator& world) {
  const core::LongWork busy(world, "validating");
  const auto score = [&](const data::Batch& batch, models::AttentionContext& attention) {
    return models::score_tokens(decoder, batch.layout, batch.tokens, batch.targets, attention);
  };
  const auto score_under = [&](const data::Batch& batch, gsa::Visibility visibility) {
    models::BlockAttention attention(
        std::make_shared<const gsa::BlockMap>(gsa::make_block_map(batch.layout, gist, visibility)));
    return score(batch, attention);
  };
  std::vector<ValidationLoss> losses = {
      validate_under("full", batches, world, [&](const data::Batch& batch) {
        return score_under(data::without_gists(batch), gsa::Visibility::full);
      })};
  if (!has_gists(batches)) return losses;
  losses.push_back(validate_under("gist_only", batches, world, [&](const data::Batch& batch) {
    return score_under(batch, gsa::Visibility::gist);
  }));
  if (!selection) return losses;
  losses.push_back(validate_under("h_gsa", batches, world, [&](const data::Batch& batch) {
    models::UnfoldingAttention attention(batch.layout, gist, *selection);
    return score(batch, attention);
  }));
  return losses;
}

}  // namespace unfold::train
