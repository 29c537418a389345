#include "models/decode_step.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/kernels/nn.h"
#include "core/kernels/row_linear.h"
#include "core/profile.h"
#include "gsa/kernels/step.h"

namespace unfold::models {

using core::Tensor;
using core::kernels::RowLinear;

DecodeStep::DecodeStep(Decoder& decoder)
    : decoder_(decoder),
      embedding_(decoder.parameter("embedding.weight").variable),
      norm_(decoder.parameter("norm.weight").variable),
      head_(decoder.head()) {
  for (std::int64_t layer = 0; layer < decoder.config().layers; ++layer) {
    const auto get = [&](const char* name) {
      return decoder.parameter(fmt::format("layers.{}.{}", layer, name)).variable;
    };
    layers_.push_back({get("attention_norm.weight"), get("attention.qkv.weight"),
                       decoder.config().qkv_bias ? get("attention.qkv.bias") : autograd::Variable(),
                       get("attention.out.weight"), get("mlp_norm.weight"),
                       get("mlp.gate_up.weight"), get("mlp.down.weight")});
  }
}

DecodeStep::Pass& DecodeStep::pass_of(std::int64_t rows) {
  Pass& pass = passes_[rows];
  if (pass.x.defined()) return pass;
  const DecoderConfig& config = decoder_.config();
  const gsa::AttentionShape shape = decoder_.attention_shape();
  const auto make = [&](std::int64_t width) {
    return Tensor::empty({rows, width}, decoder_.dtype(), decoder_.device());
  };
  pass.x = make(config.width);
  pass.qkv = make(shape.qkv_width());
  pass.attended = make(shape.out_width());
  pass.hidden = make(config.ffn);
  pass.logits = make(config.vocab_size);
  return pass;
}

void DecodeStep::compute(const gsa::StepPlan& plan, Pass& pass) const {
  const double eps = decoder_.config().norm_eps;
  const auto linear = [](const Tensor& x, const autograd::Variable& weight, const RowLinear& around,
                         const Tensor& y) {
    core::kernels::row_linear(x, weight.value(), around, y);
  };
  core::kernels::embedding(embedding_.value(), plan.token_ids(), pass.x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const auto number = static_cast<std::int64_t>(i);
    RowLinear project{.norm = layer.attention_norm.value(), .eps = eps};
    if (layer.qkv_bias.defined()) project.bias = layer.qkv_bias.value();
    linear(pass.x, layer.qkv, project, pass.qkv);
    gsa::kernels::step_store(pass.qkv, plan, number, decoder_.rope_table());
    gsa::kernels::step_attention(pass.qkv, plan, number, pass.attended);
    linear(pass.attended, layer.out, RowLinear{.residual = pass.x}, pass.x);
    linear(pass.x, layer.gate_up,
           RowLinear{.norm = layer.mlp_norm.value(), .eps = eps, .gated = true}, pass.hidden);
    linear(pass.hidden, layer.down, RowLinear{.residual = pass.x}, pass.x);
  }
  core::kernels::row_linear(pass.x, head_.value().slice(0, 0, decoder_.config().vocab_size),
                            RowLinear{.norm = norm_.value(), .eps = eps}, pass.logits);
}

std::vector<std::int64_t> DecodeStep::key_of(const gsa::StepPlan& plan) const {
  std::vector<std::int64_t> key = {plan.version(), plan.queries(), plan.selects_any() ? 1 : 0,
                                   plan.rows()};
  const auto place = [&](const Tensor& tensor) {
    key.push_back(reinterpret_cast<std::intptr_t>(tensor.raw()));
  };
  place(plan.token_ids());
  place(decoder_.rope_table());
  for (const autograd::Variable* all : {&embedding_, &norm_, &head_}) place(all->value());
  for (const Layer& layer : layers_) {
    for (const autograd::Variable* one :
         {&layer.attention_norm, &layer.qkv, &layer.qkv_bias, &layer.out, &layer.mlp_norm,
          &layer.gate_up, &layer.down}) {
      if (one->defined()) place(one->value());
    }
  }
  return key;
}

// Not when rows are too long for one kernel: those multiplied by parts allocate.
bool DecodeStep::can_record() const {
  const DecoderConfig& config = decoder_.config();
  const std::int64_t longest =
      std::max({config.width, config.ffn, decoder_.attention_shape().out_width()});
  return decoder_.device().type == core::DeviceType::cuda && !core::profiling() &&
         core::kernels::row_linear_is_one_kernel(decoder_.dtype(), longest);
}

Tensor DecodeStep::run(const gsa::StepPlan& plan) {
  core::check(
      plan.rows() > 0 && plan.rows() == plan.queries() && plan.rows() <= core::kernels::kFewRows,
      "decode_step", "{} rows, {} queries", plan.rows(), plan.queries());
  Pass& pass = pass_of(plan.rows());
  if (!can_record()) {
    compute(plan, pass);
    return pass.logits;
  }
  std::vector<std::int64_t> key = key_of(plan);
  if (key != pass.key) {
    pass.graph.reset();
    pass.key = std::move(key);
    pass.ran = false;
  }
  if (!pass.ran) {
    compute(plan, pass);
    pass.ran = true;
    return pass.logits;
  }
  if (!pass.graph.captured()) {
    pass.graph.capture(decoder_.device().index, [&] { compute(plan, pass); });
  }
  pass.graph.launch();
  return pass.logits;
}

}  // namespace unfold::models
