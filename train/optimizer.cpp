#include "train/optimizer.h"

#include <algorithm>
#include <map>
#include <numeric>

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

Tensor AdamW::State::part() const {
  const Tensor& value = parameter.value();
  if (share.size() == value.size()) return value;
  return value.reshape({-1}).slice(0, share.begin, share.end);
}

AdamW::AdamW(const models::Decoder& decoder, const OptimizerConfig& config, std::uint64_t seed,
             const Sharding& sharding)
    : config_(config), seed_(seed ^ kRoundingSeed), sharding_(sharding) {
  const core::MemoryScope scope(core::MemoryUse::optimizer);
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    State state;
    state.name = parameter.spec.name;
    state.parameter = parameter.variable;
    state.decay = parameter.spec.decay;
    state.lr_multiple = parameter.spec.is_embedding ? config.embedding_lr : 1;
    const Tensor& value = parameter.variable.value();
    state.share = sharding.on ? core::share_of(value.size(), sharding.rank, sharding.world_size)
                              : core::Share{0, value.size()};
    const Tensor part = sharding.on ? state.part().reshape({-1}) : value;
    const core::DType wide = core::accumulator_of(value.dtype());
    const bool narrow = wide == core::DType::float32 && config.state_dtype == core::DType::bfloat16;
    const core::DType moment = narrow ? core::DType::bfloat16 : wide;
    state.master = part.to(wide);
    state.m = Tensor::zeros(part.shape(), moment, value.device());
    state.v = Tensor::zeros(part.shape(), moment, value.device());
    states_.push_back(std::move(state));
  }
}

Tensor AdamW::gradient_of(const State& state) const {
  return sharding_.on ? state.gradient : state.parameter.gradient();
}

core::DType AdamW::state_dtype() const {
  return states_.empty() ? core::DType::float32 : states_.front().m.dtype();
}

Tensor AdamW::squared_gradient_norm() const {
  if (states_.empty()) return Tensor::zeros({}, core::DType::float64);
  const Tensor total =
      Tensor::zeros({}, core::DType::float64, states_[0].parameter.value().device());
  std::map<core::DType, std::vector<Tensor>> gradients;
  for (const State& state : states_) {
    Tensor gradient = gradient_of(state);
    if (!gradient.defined()) continue;
    if (!sharding_.on && sharding_.world_size > 1) {
      const core::Share share =
          core::share_of(gradient.size(), sharding_.rank, sharding_.world_size);
      gradient = gradient.reshape({-1}).slice(0, share.begin, share.end);
    }
    if (gradient.size() > 0) gradients[gradient.dtype()].push_back(gradient);
  }
  for (const auto& [dtype, alike] : gradients) core::kernels::add_squared_norms(alike, total);
  return total;
}

void AdamW::prepare(double lr) {
  std::vector<std::size_t> all(states_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  prepare(lr, {all});
}

void AdamW::prepare(double lr, const std::vector<std::vector<std::size_t>>& parts) {
  prepared_.clear();
  const std::int64_t step = steps_done_ + 1;
  for (const std::vector<std::size_t>& part : parts) {
    std::map<core::DType, core::kernels::AdamWLaunch> launches;
    for (const std::size_t i : part) {
      const State& state = states_[i];
      if (state.share.size() == 0) continue;
      const core::kernels::AdamWStep settings = {
          .lr = lr * state.lr_multiple,
          .beta1 = config_.beta1,
          .beta2 = config_.beta2,
          .eps = config_.eps,
          .weight_decay = state.decay ? config_.weight_decay : 0,
          .step = step,
          .seed = seed_,
          .stream = static_cast<std::uint64_t>(step) << kParameterBits | i,
          .first = static_cast<std::uint64_t>(state.share.begin)};
      const Tensor gradient = gradient_of(state);
      const core::DType dtype = gradient.defined() ? gradient.dtype() : state.master.dtype();
      launches[dtype].updates.push_back(
          {state.master, gradient, state.m, state.v, state.part(), settings});
    }
    std::vector<core::kernels::AdamWLaunch>& laid_out = prepared_.emplace_back();
    for (auto& [dtype, launch] : launches) {
      core::kernels::adamw_lay_out(launch);
      laid_out.push_back(std::move(launch));
    }
  }
}

void AdamW::step(double gradient_scale) {
  for (std::size_t part = 0; part < prepared_.size(); ++part) update(part, gradient_scale);
  end_step();
}

void AdamW::update(std::size_t part, double gradient_scale) {
  core::check(part < prepared_.size(), "optimizer", "part {} of {}: an update has to be prepared",
              part, prepared_.size());
  for (const core::kernels::AdamWLaunch& launch : prepared_[part]) {
    core::kernels::adamw_all(launch, gradient_scale);
  }
}

void AdamW::end_step() {
  core::check(!prepared_.empty(), "optimizer", "an update has to be prepared");
  ++steps_done_;
  clear_gradients();
}

void AdamW::clear_gradients() {
  prepared_.clear();
  for (State& state : states_) {
    state.parameter.clear_gradient();
    state.gradient = Tensor();
  }
}

void AdamW::set_master(std::string_view name, const Tensor& value) {
  const auto state = std::find_if(states_.begin(), states_.end(),
                                  [&](const State& one) { return one.name == name; });
  core::check(state != states_.end(), "optimizer", "no parameter is called {}", name);
  const Tensor part = state->master.shape() == value.shape()
                          ? value
                          : value.reshape({-1}).slice(0, state->share.begin, state->share.end);
  if (part.size() > 0) core::kernels::copy(part.to(state->master.device()), state->master);
}

void AdamW::restored(std::int64_t steps_done) {
  steps_done_ = steps_done;
  for (const State& state : states_) {
    if (state.share.size() > 0 && !state.master.shares_storage_with(state.parameter.value())) {
      core::kernels::copy(state.master, state.part());
    }
  }
}

}  // namespace unfold::train
