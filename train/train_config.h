// Everything the trainer needs besides model, gists and data.
#pragma once

#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace unfold::train {

// lm: plain full attention. cpt: continued pretraining under the gist mask (METHOD.md section 6).
// sft: selective finetuning, suffix queries unfold what they select (METHOD.md section 7).
enum class Objective { lm, cpt, sft };
enum class ScheduleKind { constant, cosine, wsd };

struct OptimizerConfig {
  double lr = 1e-3;
  double embedding_lr = 1;  // a multiple of lr, for the input embedding and a head tied to it
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  // matrices only; norms and biases are never decayed
  double clip = 1.0;          // global gradient norm; 0: no clipping
  // Of the moments: float32 (that of the masters, so float64 with float64), or bfloat16, rounded
  // stochastically.
  core::DType state_dtype = core::DType::float32;
};

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  std::int64_t warmup = 0;      // steps, linear from 0
  double min_ratio = 0.1;       // final lr / peak lr
  double decay_fraction = 0.2;  // wsd: last part of training over which lr falls
};

struct CptConfig {
  bool prefix_loss = true;  // false: no loss on tokens up to the last top-level gist
  bool two_branch = false;  // also the raw mask, both losses averaged
  double alignment = 0.0;   // weight of the hidden alignment loss; paper 1e-4; needs two_branch
};

struct CheckpointConfig {
  std::int64_t every = 100;  // steps; 0: only at the end
  std::int64_t keep = 3;     // newest step checkpoints kept; the best one is kept besides
  bool background = false;   // written by a thread while training goes on
};

struct RunConfig {
  std::string dir = "runs/run";
  std::uint64_t seed = 42;
  std::string device = "cpu";  // core::device_from_name
};

struct TrainConfig {
  Objective objective = Objective::cpt;
  std::string init_from;  // a run whose last checkpoint gives the initial weights
  std::int64_t steps = 300;
  std::int64_t rows = 8;           // rows an optimizer step, over all ranks and micro-batches
  std::int64_t micro_rows = 0;     // rows a forward pass; 0: all of them
  std::int64_t row_length = 1024;  // positions a row, gists included
  core::DType dtype = core::DType::float32;           // parameters and activations
  core::DType gradient_dtype = core::DType::float32;  // train/gradient_dtype.h
  std::int64_t val_every = 50;                        // steps; 0: never
  std::int64_t val_rows = 16;                         // rows a validation
  bool activation_checkpointing = false;
  // Of several ranks. Gradients that are not float32 are summed in the dtype they have.
  core::DType reduce_dtype = core::DType::float32;  // float32 gradients on their way between ranks
  std::int64_t bucket_mib = 0;  // gradients summed at a time; 0: by the size of the model
  bool overlap = true;          // gradients are summed beside the backward pass; false: behind it
  bool zero1 = false;  // masters and moments shared out among the ranks (Rajbhandari et al. 2020)
  bool overfit_one_batch = false;  // train on the first batch for ever
  std::int64_t log_every = 10;     // plain progress line when output is not a terminal
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  double routing_weight =
      0;                     // sft: of the routing loss (METHOD.md section 13); 0: the paper's rule
  double budget_anneal = 0;  // sft: first part of the steps over which the budget falls from all
                             // gists to what SelectionConfig says
  CptConfig cpt;
};

}  // namespace unfold::train
