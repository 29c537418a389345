#include "models/decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "autograd/checkpoint.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/embedding.h"
#include "autograd/ops/fused_linear.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/rope.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "models/initialise.h"
#include "models/rope_table.h"

namespace unfold::models {

using autograd::Variable;
using core::Tensor;

Decoder::Decoder(const DecoderConfig& config, int gist_levels, core::DType dtype,
                 core::Device device, std::optional<std::uint64_t> seed, std::int64_t links)
    : config_(config), gist_levels_(gist_levels), links_(links), dtype_(dtype), device_(device) {
  core::check(config.vocab_size > 0, "decoder", "vocabulary of {}", config.vocab_size);
  const core::MemoryScope scope(core::MemoryUse::parameters);
  const auto make = [&](const ParameterSpec& spec) {
    if (device.is_meta() || !seed) return Tensor::empty(spec.shape, dtype, device);
    return initial_value(spec, *seed, parameters_.size()).to(dtype).to(device);
  };
  for (ParameterSpec& spec : parameter_table(config, gist_levels + static_cast<int>(links))) {
    Variable variable =
        spec.tied_to.empty() ? Variable(make(spec), true) : parameter(spec.tied_to).variable;
    parameters_.push_back({std::move(spec), std::move(variable)});
  }
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto get = [&](const char* name) {
      return parameter(fmt::format("layers.{}.{}", layer, name)).variable;
    };
    blocks_.push_back({get("attention_norm.weight"), get("attention.qkv.weight"),
                       config.qkv_bias ? get("attention.qkv.bias") : Variable(),
                       get("attention.out.weight"), get("mlp_norm.weight"),
                       get("mlp.gate_up.weight"), get("mlp.down.weight")});
  }
}

gsa::AttentionShape Decoder::attention_shape() const {
  return {config_.heads, config_.kv_heads, config_.head_width()};
}

const Parameter& Decoder::parameter(const std::string& name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& p) { return p.spec.name == name; });
  core::check(found != parameters_.end(), "decoder", "no parameter named {}", name);
  return *found;
}

std::vector<Variable> Decoder::Block::all() const {
  std::vector<Variable> result = {attention_norm, qkv, out, mlp_norm, gate_up, down};
  if (qkv_bias.defined()) result.push_back(qkv_bias);
  return result;
}

std::vector<Variable> Decoder::run_block(std::int64_t layer, const Variable& x,
                                         const Tensor& positions, AttentionContext& attention,
                                         const ForwardOptions& options) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const gsa::AttentionShape shape = attention_shape();
  const double dropout = options.training ? config_.dropout : 0.0;
  const auto drop = [&](const Variable& branch, std::uint64_t site) {
    const std::uint64_t place = static_cast<std::uint64_t>(layer) * 2 + site;
    return autograd::dropout(branch, dropout, options.seed, (options.stream << 16) | place,
                             static_cast<std::uint64_t>(options.first_position * config_.width));
  };
  // What a branch ends in, added to the residual stream: by the product itself if nothing drops.
  const auto joins = [&](const Variable& stream) { return dropout > 0 ? Variable() : stream; };
  const auto add_to = [&](const Variable& stream, const Variable& branch, std::uint64_t site) {
    return dropout > 0 ? autograd::add(stream, drop(branch, site)) : branch;
  };
  Variable qkv =
      autograd::norm_linear(x, block.attention_norm, config_.norm_eps, block.qkv, block.qkv_bias);
  qkv = autograd::rope(std::move(qkv), positions, rope_, shape.heads + shape.kv_heads);
  const Variable attended = attention.attend(layer, qkv, shape);
  std::vector<Variable> losses = attention.take_losses();
  const Variable middle = add_to(x, autograd::linear(attended, block.out, {}, joins(x)), 0);
  const Variable gate_up =
      autograd::norm_linear(middle, block.mlp_norm, config_.norm_eps, block.gate_up);
  const Variable mlp = autograd::swiglu_linear(gate_up, block.down, joins(middle));
  losses.insert(losses.begin(), add_to(middle, mlp, 1));
  return losses;
}

Variable Decoder::hidden(const Tensor& tokens, const Tensor& positions, AttentionContext& attention,
                         const ForwardOptions& options) {
  if (options.positions > 0) {
    reserve_positions(options.positions);
  } else if (!device_.is_meta()) {  // there the caller reserves
    reserve_positions_of(positions);
  }
  const Variable& table = parameter("embedding.weight").variable;
  if (options.before_use) options.before_use({table});
  Variable x = autograd::embedding(table, tokens);
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    if (options.before_use) options.before_use(block.all());
    std::vector<Variable> outputs;
    if (options.checkpoint_activations && autograd::grad_enabled()) {
      outputs = autograd::checkpoint(
          [this, layer, positions, &attention, options](const std::vector<Variable>& inputs) {
            return run_block(layer, inputs[0], positions, attention, options);
          },
          {x}, block.all());
    } else {
      outputs = run_block(layer, x, positions, attention, options);
    }
    x = outputs[0];
    if (options.attention_losses != nullptr) {
      options.attention_losses->insert(options.attention_losses->end(), outputs.begin() + 1,
                                       outputs.end());
    }
    if (options.block_outputs != nullptr) options.block_outputs->push_back(x);
  }
  const Variable& norm = parameter("norm.weight").variable;
  if (options.before_use) options.before_use({norm, head()});
  return autograd::rms_norm(x, norm, config_.norm_eps);
}

Tensor Decoder::logits(const Tensor& hidden) const {
  const Tensor result = Tensor::empty({hidden.dim(0), config_.vocab_size}, dtype_, device_);
  core::kernels::matmul(hidden, false, head().value().slice(0, 0, config_.vocab_size), true, 1.0,
                        0.0, result);
  return result;
}

Tensor Decoder::rotate(const Tensor& keys, const Tensor& positions, bool inverse) {
  reserve_positions_of(positions);
  const Tensor result = Tensor::empty(keys.shape(), keys.dtype(), keys.device());
  core::kernels::rope(keys, positions, rope_, config_.kv_heads, inverse, result);
  if (inverse) {
    // The table may hold a scale besides the angles (yarn): cos(0) times it.
    const double scale = rope_.slice(0, 0, 1).slice(1, 0, 1).item();
    if (scale != 1.0) core::kernels::scale(result, 1.0 / (scale * scale), result);
  }
  return result;
}

void Decoder::reserve_positions_of(const Tensor& positions) {
  const std::vector<std::int32_t> host = positions.to_vector<std::int32_t>();
  reserve_positions(host.empty() ? 1 : *std::max_element(host.begin(), host.end()) + 1);
}

void Decoder::reserve_positions(std::int64_t positions) {
  const bool dynamic = config_.rope.scaling == RopeScaling::dynamic;
  if (rope_.defined() && (dynamic ? rope_.dim(0) == positions : rope_.dim(0) >= positions)) return;
  // Decoding asks for one position more every time: a table made again has room.
  if (rope_.defined() && !dynamic) positions = std::max(positions, rope_.dim(0) * 3 / 2);
  const core::MemoryScope scope(core::MemoryUse::other);
  const core::DType wide = core::accumulator_of(dtype_);
  rope_ = device_.is_meta()
              ? Tensor::empty({positions, config_.head_width()}, wide, device_)
              : models::rope_table(config_.rope, config_.head_width(), positions, wide, device_);
}

}  // namespace unfold::models
