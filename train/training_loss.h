// What a training step minimises: from a batch to a scalar with history.
#pragma once

#include <cstdint>

#include "data/batch.h"
#include "gsa/gist_config.h"
#include "models/decoder.h"
#include "train/train_config.h"

namespace unfold::train {

// Sums over the batch, for token-exact normalisation over micro-batches and ranks.
struct LossTerms {
  double cross_entropy = 0;  // sum over targets, nats; mean of both branches with two_branch
  double alignment = 0;      // sum over raw tokens, unweighted; 0 without the option
};

class TrainingLoss {
 public:
  TrainingLoss(const TrainConfig& config, const gsa::GistConfig& gist);

  // The gists its rows have: none for lm, where gist visibility is plain causal attention.
  const gsa::GistConfig& row_gists() const { return gist_; }
  // Applies the options that change targets (prefix without loss). Call before counting targets.
  void prepare(data::Batch& batch) const;

  // Forward and backward of one micro-batch. Gradients of
  //   cross_entropy / all_targets + alignment_weight * alignment / all_raw_tokens
  // are added to the parameters; all_* count the whole optimizer step, over all ranks.
  LossTerms accumulate(models::Decoder& decoder, const data::Batch& batch, double all_targets,
                       double all_raw_tokens, const models::ForwardOptions& options) const;

  // Loss of the step from its summed terms.
  double loss(const LossTerms& sum, double all_targets, double all_raw_tokens) const;

 private:
  TrainConfig config_;
  gsa::GistConfig gist_;
};

// Raw tokens of a batch, padding left out.
std::int64_t count_raw_tokens(const data::Batch& batch);

}  // namespace unfold::train
