#include "train/optimizer.h"

#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"

namespace unfold::train {

using core::Tensor;

AdamW::AdamW(const models::Decoder& decoder, const OptimizerConfig& config) : config_(config) {
  const core::MemoryScope scope(core::MemoryUse::optimizer);
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    const Tensor& value = parameter.variable.value();
    const core::DType wide = core::accumulator_of(value.dtype());
    states_.push_back({parameter.spec.name, parameter.variable, value.to(wide),
                       Tensor::zeros(value.shape(), wide, value.device()),
                       Tensor::zeros(value.shape(), wide, value.device()), parameter.spec.decay,
                       parameter.spec.is_embedding ? config.embedding_lr : 1});
  }
}

Tensor AdamW::squared_gradient_norm() const {
  if (states_.empty()) return Tensor::zeros({}, core::DType::float64);
  const Tensor total =
      Tensor::zeros({}, core::DType::float64, states_[0].parameter.value().device());
  std::vector<Tensor> gradients;
  for (const State& state : states_) {
    const Tensor& gradient = state.parameter.gradient();
    if (gradient.defined()) gradients.push_back(gradient);
  }
  if (!gradients.empty()) core::kernels::add_squared_norms(gradients, total);
  return total;
}

double AdamW::gradient_norm() const {
  return std::sqrt(squared_gradient_norm().item());
}

void AdamW::step(double lr, double gradient_scale) {
  ++steps_done_;
  std::vector<core::kernels::AdamWUpdate> updates;
  for (const State& state : states_) {
    const core::kernels::AdamWStep step = {.lr = lr * state.lr_multiple,
                                           .beta1 = config_.beta1,
                                           .beta2 = config_.beta2,
                                           .eps = config_.eps,
                                           .weight_decay = state.decay ? config_.weight_decay : 0,
                                           .step = steps_done_,
                                           .gradient_scale = gradient_scale};
    updates.push_back({state.master, state.parameter.gradient(), state.m, state.v,
                       state.parameter.value(), step});
  }
  if (!updates.empty()) core::kernels::adamw_all(updates);
  clear_gradients();
}

void AdamW::clear_gradients() {
  for (State& state : states_) state.parameter.clear_gradient();
}

void AdamW::restored(std::int64_t steps_done) {
  steps_done_ = steps_done;
  for (const State& state : states_) {
    if (!state.master.shares_storage_with(state.parameter.value())) {
      core::kernels::copy(state.master, state.parameter.value());
    }
  }
}

}  // namespace unfold::train
