// What a training step minimises: from a batch to a scalar with history.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "data/batch.h"
#include "gsa/gist_config.h"
#include "gsa/selection.h"
#include "models/decoder.h"
#include "train/ready_batch.h"
#include "train/train_config.h"

namespace unfold::train {

// Sums over the batch, for token-exact normalisation over micro-batches and ranks.
struct LossTerms {
  double cross_entropy = 0;  // sum over targets, nats; mean of both branches with two_branch
  double alignment = 0;      // sum over raw tokens, unweighted; 0 without the option
  double routing = 0;        // sum over selecting layers, queries and heads, unweighted; 0 without
};

// Loss terms that a device may still be working on.
struct PendingTerms {
  struct Part {
    core::Tensor value;  // scalar
    double LossTerms::*term = nullptr;
    double weight = 1;
  };
  std::vector<Part> parts;

  // From the values of the parts, in their order.
  LossTerms sum(std::span<const double> values) const;
};

// What the terms of a whole optimizer step are divided by, over all micro-batches and ranks.
struct StepTotals {
  double targets = 0;
  double raw_tokens = 0;
  double suffix_queries = 0;  // queries that select (sft)
};

class TrainingLoss {
 public:
  // selection: for sft; the geometry of the gists is filled in.
  TrainingLoss(const TrainConfig& config, const gsa::GistConfig& gist,
               const gsa::SelectionConfig& selection);

  // The gists its rows have: none for lm, where gist visibility is plain causal attention. Links
  // for sft alone.
  const gsa::GistConfig& row_gists() const { return gist_; }
  // Applies the options that change targets (prefix without loss). Call before counting targets.
  void prepare(data::Batch& batch) const;

  // This batch's part of the totals.
  StepTotals count(const data::Batch& batch) const;

  // The selection of sft when training ends; nothing for the other objectives.
  std::optional<gsa::SelectionConfig> selection() const;
  // The selection of sft at a step of training: its budget falls as budget_anneal says.
  gsa::SelectionConfig selection_at(std::int64_t step) const;

  // The batch with all that accumulate() needs of it on a device. For a GPU copies are under way
  // when it returns; it does not wait for them.
  ReadyBatch ready(data::Batch batch, core::Device device) const;

  // Forward and backward of one micro-batch of the step with this index (from 0). Gradients of
  //   cross_entropy / targets + cpt.alignment * alignment / raw_tokens
  //     + routing_weight * routing / (suffix_queries * heads * selecting layers)
  // are added to the parameters.
  // On a GPU it returns when all work is launched. last_backward, if set, is called before the
  // backward pass behind which no gradients follow.
  PendingTerms accumulate(models::Decoder& decoder, const ReadyBatch& batch,
                          const StepTotals& totals, std::int64_t step,
                          const models::ForwardOptions& options,
                          const std::function<void()>& last_backward = {}) const;
  // The same at once, waiting for the terms.
  LossTerms accumulate(models::Decoder& decoder, const data::Batch& batch, const StepTotals& totals,
                       std::int64_t step, const models::ForwardOptions& options) const;

  // Loss of the step from its summed terms.
  double loss(const LossTerms& sum, const StepTotals& totals,
              const models::DecoderConfig& model) const;
  // Mean routing loss a query, head and selecting layer.
  double mean_routing(const LossTerms& sum, const StepTotals& totals,
                      const models::DecoderConfig& model) const;

 private:
  PendingTerms accumulate_sft(models::Decoder& decoder, const ReadyBatch& batch,
                              const StepTotals& totals, std::int64_t step,
                              const models::ForwardOptions& options,
                              const std::function<void()>& last_backward) const;

  TrainConfig config_;
  gsa::GistConfig gist_;
  gsa::SelectionConfig selection_;
};

// Leaves only the targets behind the last top-level gist of their document.
void drop_prefix_targets(data::Batch& batch);

// Raw tokens of a batch, padding and links left out.
std::int64_t count_raw_tokens(const data::Batch& batch);

}  // namespace unfold::train
