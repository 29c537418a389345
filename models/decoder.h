// Llama- and Qwen2-type decoder: embedding, L blocks of (RMSNorm, attention, RMSNorm, gated MLP)
// with residuals, final RMSNorm, output head. Gist tokens are rows behind the raw vocabulary; apart
// from them the model is unmodified (METHOD.md section 1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "models/attention_context.h"
#include "models/decoder_config.h"
#include "models/parameter_table.h"

namespace unfold::models {

struct Parameter {
  ParameterSpec spec;
  autograd::Variable variable;  // tied parameters share the variable of what they are tied to
};

struct ForwardOptions {
  bool training = false;                // dropout on
  bool checkpoint_activations = false;  // recompute every block in the backward
  std::uint64_t seed = 0;               // of dropout
  std::uint64_t stream = 0;             // of dropout: differs from step to step
  // Of dropout: positions of the step in front of those of this pass, so that how a step is cut
  // into passes and ranks does not matter. Times the width a multiple of 4.
  std::int64_t first_position = 0;
  // RoPE positions are below it; 0: hidden() looks, which waits for a GPU.
  std::int64_t positions = 0;
  // When set, receives the residual stream behind every block (for the alignment loss).
  std::vector<autograd::Variable>* block_outputs = nullptr;
  // When set, receives what AttentionContext::take_losses() gave, layer after layer.
  std::vector<autograd::Variable>* attention_losses = nullptr;
  // When set, called with parameters that are about to be read for the first time in this pass: the
  // embedding, block after block, then the final norm and the head. Not called again where a block
  // is recomputed.
  std::function<void(const std::vector<autograd::Variable>&)> before_use = {};
};

class Decoder {
 public:
  // Allocates and initialises; the values are a function of (config, gist_levels, links, seed)
  // alone, rounded to dtype. Rows of gists and links start as the mean of the raw rows (METHOD.md
  // section 2). Without a seed the values are left to those who read all of them from a file.
  Decoder(const DecoderConfig& config, int gist_levels, core::DType dtype, core::Device device,
          std::optional<std::uint64_t> seed, std::int64_t links = 0);

  const DecoderConfig& config() const { return config_; }
  int gist_levels() const { return gist_levels_; }
  std::int64_t links() const { return links_; }  // link tokens: ids behind the gists'
  core::DType dtype() const { return dtype_; }
  core::Device device() const { return device_; }
  gsa::AttentionShape attention_shape() const;

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const Parameter& parameter(const std::string& name) const;

  // Final hidden states (tokens, width), normalised: what the head multiplies.
  // tokens, positions: (n) int32 on this device; positions are RoPE positions.
  // With checkpoint_activations, this decoder and `attention` are used again in the backward pass
  // and must live until then.
  autograd::Variable hidden(const core::Tensor& tokens, const core::Tensor& positions,
                            AttentionContext& attention, const ForwardOptions& options = {});

  // Makes the table of rotary angles for positions below `positions`. hidden() calls it itself, but
  // on meta, where it cannot read positions.
  void reserve_positions(std::int64_t positions);
  // (positions, head width): cosines, then sines (models/rope_table.h); undefined at first.
  const core::Tensor& rope_table() const { return rope_; }

  // Rotates key heads (n, kv_heads * head width) to RoPE positions (n) int32, or takes the rotation
  // to these positions back.
  core::Tensor rotate(const core::Tensor& keys, const core::Tensor& positions, bool inverse);

  // Output matrix (vocab_size + gist levels + links, width). Only the first vocab_size rows are
  // classes: gists and links are never labels and never generated.
  const autograd::Variable& head() const { return parameter("head.weight").variable; }
  // (n, vocab_size) logits of hidden states; no gradient.
  core::Tensor logits(const core::Tensor& hidden) const;

 private:
  struct Block {
    autograd::Variable attention_norm, qkv, qkv_bias, out, mlp_norm, gate_up, down;
    std::vector<autograd::Variable> all() const;
  };
  // The residual stream behind the block, then the losses of its attention.
  std::vector<autograd::Variable> run_block(std::int64_t layer, const autograd::Variable& x,
                                            const core::Tensor& positions,
                                            AttentionContext& attention,
                                            const ForwardOptions& options) const;

  void reserve_positions_of(const core::Tensor& positions);

  DecoderConfig config_;
  int gist_levels_;
  std::int64_t links_;
  core::DType dtype_;
  core::Device device_;
  std::vector<Parameter> parameters_;
  std::vector<Block> blocks_;
  core::Tensor rope_;
};

}  // namespace unfold::models
