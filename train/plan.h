// What a training would need: parameters, memory, arithmetic, without running it.
//
// Memory is not estimated: one optimizer step runs on the meta device (core/device.h), where
// tensors have no data and kernels do nothing, so the same code allocates and releases in the same
// order as in training. Ops keep less on a GPU: the plan is for the device in run.device.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "data/batch.h"
#include "gsa/gist_config.h"
#include "train/trainer.h"

namespace unfold::train {

// Elements; tied parameters counted once.
struct ParameterPlan {
  std::int64_t embedding = 0;
  std::int64_t attention = 0;
  std::int64_t mlp = 0;
  std::int64_t norm = 0;
  std::int64_t head = 0;  // 0 when tied to the embedding
  std::int64_t total() const { return embedding + attention + mlp + norm + head; }
};

// Bytes. `most` is the most a use takes at any time of the step, which is not the same time for
// all; what they take together when the step needs most is `at_peak`, and adds up to `peak`.
struct MemoryPlan {
  std::array<std::int64_t, core::kMemoryUses> most{};  // by core::MemoryUse
  std::array<std::int64_t, core::kMemoryUses> at_peak{};
  std::int64_t peak = 0;
};

// Floating-point operations of matrix products, a multiply-add being two.
struct Flops {
  double matmul = 0;     // projections, MLP, output head
  double attention = 0;  // products over the visible pairs
  double total() const { return matmul + attention; }
};

struct Plan {
  ParameterPlan parameters;
  MemoryPlan memory;
  // Of one optimizer step. The backward pass takes two products for each of the forward pass, and
  // in attention one more to make the scores again; recompute: blocks run again for activation
  // checkpointing.
  Flops forward, backward, recompute;
  double flops() const { return forward.total() + backward.total() + recompute.total(); }

  // Of one full row, a document from end to end: (query, key) pairs a head visits in the gist
  // branch (for lm, which has no gists, all of them) and under plain causal attention.
  std::int64_t visible_pairs = 0;
  std::int64_t causal_pairs = 0;
  double density() const {
    return static_cast<double>(visible_pairs) / static_cast<double>(causal_pairs);
  }

  // Of one optimizer step of full rows, on one rank.
  std::int64_t micro_batches = 0;
  std::int64_t positions = 0;  // gists included
  std::int64_t raw_tokens = 0;
  std::int64_t targets = 0;  // tokens that carry a loss

  std::int64_t checkpoint_bytes = 0;  // on disk, of one checkpoint
};

// Full rows: one document from end to end, gists inserted by count, all raw tokens 0. The last
// `suffix` positions are raw tokens behind the last gist; with gist.links, links stand before them.
// Throws core::UserError when that leaves no room for a document.
data::Batch full_rows(const gsa::GistConfig& gist, std::int64_t vocab_size, std::int64_t rows,
                      std::int64_t row_length, std::int64_t suffix = 0);

// For sft the last eighth of a row stands for question and answers, which alone have targets; the
// arithmetic of its attention counts every query under the gist mask, the selected keys left out.
// config.model.vocab_size must be set. Throws core::UserError when a row holds no target.
//
// ranks: of how many processes this is one, the one with the largest share of rows and, with
// train.zero1, of the optimizer. Memory, arithmetic and the figures of a step are its own.
Plan make_plan(const TrainerConfig& config, int ranks = 1);

}  // namespace unfold::train
