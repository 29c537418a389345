#include "train/training_loss.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/cross_entropy.h"
#include "gsa/attention.h"
#include "gsa/block_map.h"
#include "gsa/cpt_objective.h"
#include "models/unfolding_attention.h"

namespace unfold::train {
namespace {

using autograd::Variable;
using core::Tensor;

// One pass over the batch under one visibility.
struct Pass {
  Variable cross_entropy;
  std::vector<Variable> blocks;  // residual stream behind every block, when asked for
};

Tensor on_device(const Tensor& already, const std::vector<std::int32_t>& values,
                 core::Device device) {
  if (already.defined()) return already;
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())}, device);
}

Pass run_pass(models::Decoder& decoder, const ReadyBatch& ready, models::AttentionContext& context,
              models::ForwardOptions options, bool want_blocks) {
  Pass pass;
  const core::MemoryScope scope(core::MemoryUse::activations);
  const data::Batch& batch = ready.batch;
  options.block_outputs = want_blocks ? &pass.blocks : nullptr;
  options.positions = ready.positions;
  const Variable hidden =
      decoder.hidden(on_device(ready.tokens, batch.tokens, decoder.device()),
                     on_device(ready.rope, batch.layout.rope, decoder.device()), context, options);
  pass.cross_entropy =
      autograd::linear_cross_entropy(hidden, decoder.head(), decoder.config().vocab_size,
                                     Tensor::from(batch.targets, {batch.layout.size()}));
  return pass;
}

Tensor raw_rows(const data::Batch& batch, core::Device device) {
  std::vector<std::int32_t> rows;
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.layout.level[i] < 0 && batch.layout.document[i] >= 0) {
      rows.push_back(static_cast<std::int32_t>(i));
    }
  }
  return Tensor::from(rows, {static_cast<std::int64_t>(rows.size())}, device);
}

std::shared_ptr<const gsa::BlockMap> map_of(const data::Batch& batch, const gsa::GistConfig& gist,
                                            gsa::Visibility visibility, core::Device device) {
  auto map =
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(batch.layout, gist, visibility));
  gsa::upload(*map, device);
  return map;
}

// Terms of the routing loss of a step: a query, query head and selecting layer each.
double count_routing_terms(const StepTotals& totals, const gsa::SelectionConfig& selection,
                           const models::DecoderConfig& model) {
  const std::int64_t layers = std::max<std::int64_t>(0, model.layers - selection.first_layer);
  return totals.suffix_queries * static_cast<double>(model.heads * layers);
}

}  // namespace

std::int64_t count_raw_tokens(const data::Batch& batch) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    const bool link = !batch.layout.part.empty() && batch.layout.part[i] == gsa::Part::link;
    count += batch.layout.level[i] < 0 && batch.layout.document[i] >= 0 && !link ? 1 : 0;
  }
  return count;
}

TrainingLoss::TrainingLoss(const TrainConfig& config, const gsa::GistConfig& gist,
                           const gsa::SelectionConfig& selection)
    : config_(config), gist_(gist), selection_(gsa::for_gists(selection, gist)) {
  if (config.objective == Objective::lm) gist_.chunks.clear();
  if (config.objective != Objective::sft) gist_.links = 0;
}

void drop_prefix_targets(data::Batch& batch) {
  gsa::drop_prefix_targets(batch.layout, batch.targets, data::kIgnoredTarget);
  batch.valid_targets = 0;
  for (const data::TokenId target : batch.targets) batch.valid_targets += target >= 0 ? 1 : 0;
}

void TrainingLoss::prepare(data::Batch& batch) const {
  if (!config_.cpt.prefix_loss) drop_prefix_targets(batch);
}

StepTotals TrainingLoss::count(const data::Batch& batch) const {
  StepTotals totals;
  totals.targets = static_cast<double>(batch.valid_targets);
  totals.raw_tokens = static_cast<double>(count_raw_tokens(batch));
  if (config_.objective == Objective::sft) {
    totals.suffix_queries = static_cast<double>(gsa::make_chunk_table(batch.layout).suffix.size());
  }
  return totals;
}

std::optional<gsa::SelectionConfig> TrainingLoss::selection() const {
  if (config_.objective != Objective::sft) return std::nullopt;
  return selection_;
}

gsa::SelectionConfig TrainingLoss::selection_at(std::int64_t step) const {
  gsa::SelectionConfig selection = selection_;
  const double falls_for = config_.budget_anneal * static_cast<double>(config_.steps);
  if (falls_for > 0) {
    selection.anneal = std::max(0.0, 1.0 - static_cast<double>(step) / falls_for);
  }
  return selection;
}

ReadyBatch TrainingLoss::ready(data::Batch batch, core::Device device) const {
  ReadyBatch ready;
  ready.batch = std::move(batch);
  const gsa::Layout& layout = ready.batch.layout;
  ready.positions = gsa::position_count(layout);
  if (config_.objective != Objective::sft) {
    ready.gist = map_of(ready.batch, gist_, gsa::Visibility::gist, device);
    if (config_.cpt.two_branch) {
      ready.full = map_of(ready.batch, gist_, gsa::Visibility::full, device);
    }
  }
  if (device.type == core::DeviceType::cuda) {
    ready.tokens = on_device({}, ready.batch.tokens, device);
    ready.rope = on_device({}, layout.rope, device);
  }
  return ready;
}

LossTerms PendingTerms::sum(std::span<const double> values) const {
  core::check(values.size() == parts.size(), "train", "{} values for {} terms of the loss",
              values.size(), parts.size());
  LossTerms terms;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    terms.*parts[i].term += parts[i].weight * values[i];
  }
  return terms;
}

LossTerms TrainingLoss::accumulate(models::Decoder& decoder, const data::Batch& batch,
                                   const StepTotals& totals, std::int64_t step,
                                   const models::ForwardOptions& options) const {
  const PendingTerms pending =
      accumulate(decoder, ready(batch, decoder.device()), totals, step, options);
  std::vector<Tensor> scalars;
  for (const PendingTerms::Part& part : pending.parts) scalars.push_back(part.value);
  return pending.sum(core::items(scalars));
}

PendingTerms TrainingLoss::accumulate(models::Decoder& decoder, const ReadyBatch& batch,
                                      const StepTotals& totals, std::int64_t step,
                                      const models::ForwardOptions& options,
                                      const std::function<void()>& last_backward) const {
  if (config_.objective == Objective::sft) {
    return accumulate_sft(decoder, batch, totals, step, options, last_backward);
  }
  PendingTerms terms;
  const bool two_branch = config_.cpt.two_branch;
  const bool align = two_branch && config_.cpt.alignment > 0;
  const double share = two_branch ? 0.5 : 1.0;
  std::vector<Tensor> raw_blocks;
  if (two_branch) {  // its graph is used up before the gist branch begins: one pass in memory
    models::BlockAttention full(batch.full);
    const Pass raw = run_pass(decoder, batch, full, options, align);
    for (const Variable& block : raw.blocks) raw_blocks.push_back(block.value());
    terms.parts.push_back({raw.cross_entropy.value(), &LossTerms::cross_entropy, share});
    autograd::backward(raw.cross_entropy, share / totals.targets);
  }
  models::BlockAttention gist(batch.gist);
  const Pass pass = run_pass(decoder, batch, gist, options, align);
  terms.parts.push_back({pass.cross_entropy.value(), &LossTerms::cross_entropy, share});
  Variable total = autograd::scale(pass.cross_entropy, share / totals.targets);
  if (align) {
    const Variable alignment =
        gsa::alignment_sum(pass.blocks, raw_blocks, raw_rows(batch.batch, decoder.device()));
    terms.parts.push_back({alignment.value(), &LossTerms::alignment});
    total =
        autograd::add(total, autograd::scale(alignment, config_.cpt.alignment / totals.raw_tokens));
  }
  if (last_backward) last_backward();
  autograd::backward(total);
  return terms;
}

PendingTerms TrainingLoss::accumulate_sft(models::Decoder& decoder, const ReadyBatch& batch,
                                          const StepTotals& totals, std::int64_t step,
                                          const models::ForwardOptions& options,
                                          const std::function<void()>& last_backward) const {
  const double weight = config_.routing_weight;
  models::UnfoldingAttention unfolding(batch.batch.layout, gist_, selection_at(step),
                                       {.routing_loss = weight > 0});
  std::vector<Variable> routing;
  models::ForwardOptions with_losses = options;
  with_losses.attention_losses = &routing;
  const Pass pass = run_pass(decoder, batch, unfolding, with_losses, false);
  PendingTerms terms;
  terms.parts.push_back({pass.cross_entropy.value(), &LossTerms::cross_entropy});
  Variable total = autograd::scale(pass.cross_entropy, 1.0 / totals.targets);
  const double routing_terms = count_routing_terms(totals, selection_, decoder.config());
  for (const Variable& layer : routing) {
    terms.parts.push_back({layer.value(), &LossTerms::routing});
    if (routing_terms > 0)
      total = autograd::add(total, autograd::scale(layer, weight / routing_terms));
  }
  if (last_backward) last_backward();
  autograd::backward(total);
  return terms;
}

double TrainingLoss::mean_routing(const LossTerms& sum, const StepTotals& totals,
                                  const models::DecoderConfig& model) const {
  return sum.routing / std::max(1.0, count_routing_terms(totals, selection_, model));
}

double TrainingLoss::loss(const LossTerms& sum, const StepTotals& totals,
                          const models::DecoderConfig& model) const {
  return sum.cross_entropy / totals.targets +
         config_.cpt.alignment * sum.alignment / std::max(1.0, totals.raw_tokens) +
         config_.routing_weight * mean_routing(sum, totals, model);
}

}  // namespace unfold::train
