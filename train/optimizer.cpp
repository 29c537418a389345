#include "train/optimizer.h"

#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"

namespace unfold::train {

using core::Tensor;

namespace {

// Apart from the streams that dropout draws with the same seed.
constexpr std::uint64_t kRoundingSeed = 0x6d6f6d656e747321;
constexpr int kParameterBits = 20;

}  // namespace

AdamW::AdamW(const models::Decoder& decoder, const OptimizerConfig& config, std::uint64_t seed)
    : config_(config), seed_(seed ^ kRoundingSeed) {
  const core::MemoryScope scope(core::MemoryUse::optimizer);
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    const Tensor& value = parameter.variable.value();
    const core::DType wide = core::accumulator_of(value.dtype());
    const bool narrow = wide == core::DType::float32 && config.state_dtype == core::DType::bfloat16;
    const core::DType moment = narrow ? core::DType::bfloat16 : wide;
    states_.push_back({parameter.spec.name, parameter.variable, value.to(wide),
                       Tensor::zeros(value.shape(), moment, value.device()),
                       Tensor::zeros(value.shape(), moment, value.device()), parameter.spec.decay,
                       parameter.spec.is_embedding ? config.embedding_lr : 1});
  }
}

core::DType AdamW::state_dtype() const {
  return states_.empty() ? core::DType::float32 : states_.front().m.dtype();
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
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    const core::kernels::AdamWStep step = {
        .lr = lr * state.lr_multiple,
        .beta1 = config_.beta1,
        .beta2 = config_.beta2,
        .eps = config_.eps,
        .weight_decay = state.decay ? config_.weight_decay : 0,
        .step = steps_done_,
        .gradient_scale = gradient_scale,
        .seed = seed_,
        .stream = static_cast<std::uint64_t>(steps_done_) << kParameterBits | i};
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
