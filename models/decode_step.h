// The short way through a decoder for a few tokens over cached keys: eight kernels a layer, no
// autograd, no allocation, and nothing that the host has to know before the logits. On a GPU the
// pass is recorded as a CUDA graph, which serves every pass of the same sizes: whatever changes
// from token to token is in the memory of the plan.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/cuda/graph.h"
#include "core/tensor.h"
#include "gsa/step_plan.h"
#include "models/decoder.h"

namespace unfold::models {

class DecodeStep {
 public:
  // The decoder must outlive it.
  explicit DecodeStep(Decoder& decoder);

  // Logits (rows, vocab_size) behind every row of the plan: all rows are queries, at most
  // core::kernels::kFewRows. The decoder's positions are reserved. The result is overwritten by the
  // next call.
  core::Tensor run(const gsa::StepPlan& plan);

 private:
  struct Layer {
    autograd::Variable attention_norm, qkv, qkv_bias, out, mlp_norm, gate_up, down;
  };
  // What a pass of some number of rows writes, and its recording.
  struct Pass {
    core::Tensor x, qkv, attended, hidden, logits;
    std::vector<std::int64_t> key;  // what the recording holds for
    bool ran = false;               // once with this key, so that everything is loaded
    core::cuda::Graph graph;
  };
  void compute(const gsa::StepPlan& plan, Pass& pass) const;
  Pass& pass_of(std::int64_t rows);
  std::vector<std::int64_t> key_of(const gsa::StepPlan& plan) const;
  bool can_record() const;

  Decoder& decoder_;
  std::vector<Layer> layers_;
  autograd::Variable embedding_, norm_, head_;
  std::map<std::int64_t, Pass> passes_;  // by rows
};

}  // namespace unfold::models
