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

double AdamW::gradient_norm() const {
  if (states_.empty()) return 0;
  const Tensor total =
      Tensor::zeros({}, core::DType::float64, states_[0].parameter.value().device());
  for (const State& state : states_) {
    const Tensor& gradient = state.parameter.gradient();
    if (gradient.defined()) core::kernels::add_squared_norm(gradient, total);
  }
  return std::sqrt(total.item());
}

void AdamW::step(double lr, double gradient_scale) {
  ++steps_done_;
  for (State& state : states_) {
    const Tensor gradient =
        state.parameter.gradient().defined()
            ? state.parameter.gradient()
            : Tensor::zeros(state.master.shape(), state.master.dtype(), state.master.device());
    const core::kernels::AdamWStep update = {lr * state.lr_multiple,
                                             config_.beta1,
                                             config_.beta2,
                                             config_.eps,
                                             state.decay ? config_.weight_decay : 0,
                                             steps_done_,
                                             gradient_scale};
    core::kernels::adamw(state.master, gradient, state.m, state.v, state.parameter.value(), update);
  }
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
