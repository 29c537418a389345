#include "train/validation.h"

#include <algorithm>
#include <array>
#include <numbers>

#include "models/score.h"

namespace unfold::train {
namespace {

ValidationLoss validate_under(models::Decoder& decoder, std::span<const data::Batch> batches,
                              const gsa::GistConfig& gist, gsa::Visibility visibility,
                              core::Communicator& world) {
  double nats = 0;
  std::array<std::int64_t, 2> counts = {0, 0};  // targets, bytes
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(world.world_size())) != world.rank())
      continue;
    const data::Batch stripped =
        visibility == gsa::Visibility::full ? data::without_gists(batches[i]) : data::Batch{};
    const data::Batch& batch = visibility == gsa::Visibility::full ? stripped : batches[i];
    const models::RowScores scores =
        models::score_rows(decoder, batch.layout, batch.tokens, batch.targets, gist, visibility);
    double sum = 0;
    for (const float loss : scores.loss) sum += loss;
    nats += sum;
    counts[0] += batch.valid_targets;
    counts[1] += batch.target_bytes;
  }
  world.all_reduce_sum(std::span<double>(&nats, 1));
  world.all_reduce_sum(std::span<std::int64_t>(counts));
  ValidationLoss result;
  result.visibility = visibility == gsa::Visibility::full ? "full" : "gist_only";
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
                                     const gsa::GistConfig& gist, core::Communicator& world) {
  std::vector<ValidationLoss> losses = {
      validate_under(decoder, batches, gist, gsa::Visibility::full, world)};
  if (has_gists(batches)) {
    losses.push_back(validate_under(decoder, batches, gist, gsa::Visibility::gist, world));
  }
  return losses;
}

}  // namespace unfold::train
