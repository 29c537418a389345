#include "models/formats/gguf_config.h"

#include <fmt/core.h>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/formats/gguf_blocks.h"
#include "models/formats/rope_factors.h"

namespace unfold::models {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 31;  // of any extent

// Keys "ARCHITECTURE.NAME".
class Keys {
 public:
  Keys(const core::GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  std::int64_t integer(std::string_view name, std::optional<std::int64_t> fallback = {}) const {
    const std::optional<std::int64_t> value = file_.integer(key(name));
    if (!value && !fallback) file_.fail(fmt::format("metadata '{}' is missing", key(name)));
    if (value && (*value < 1 || *value > kLargest)) {
      file_.fail(fmt::format("metadata '{}': {} is out of range", key(name), *value));
    }
    return value.value_or(fallback.value_or(0));
  }
  double positive(std::string_view name, std::optional<double> fallback = {}) const {
    const std::optional<double> value = file_.number(key(name));
    if (!value && !fallback) file_.fail(fmt::format("metadata '{}' is missing", key(name)));
    if (value && !(std::isfinite(*value) && *value > 0)) {
      file_.fail(fmt::format("metadata '{}': {} is out of range", key(name), *value));
    }
    return value.value_or(fallback.value_or(0));
  }
  // A setting that the decoder knows one value of only.
  void must_be(std::string_view name, double only) const {
    const std::optional<double> value = file_.number(key(name));
    if (value && *value != only) {
      file_.fail(fmt::format("metadata '{}': {} is not supported: {} is", key(name), *value, only));
    }
  }

 private:
  const core::GgufFile& file_;
  std::string prefix_;
};

void refuse_what_is_not_computed(const core::GgufFile& file, const Keys& keys) {
  for (const char* name : {"expert_count", "attention.sliding_window", "attention.alibi_bias_max",
                           "attention.max_alibi_bias", "attention.clamp_kqv"}) {
    keys.must_be(name, 0);
  }
  for (const char* name :
       {"logit_scale", "residual_scale", "embedding_scale", "rope.scaling.attn_factor"}) {
    keys.must_be(name, 1);
  }
  keys.must_be("rope.scaling.yarn_log_multiplier", 0);
  if (file.has(keys.key("attention.scale"))) {
    file.fail(fmt::format("metadata '{}' is not supported", keys.key("attention.scale")));
  }
  if (const auto parts = file.integer("split.count"); parts && *parts > 1) {
    file.fail(fmt::format("is one of {} parts: join them into one file first", *parts));
  }
}

RopeConfig read_rope(const core::GgufFile& file, const Keys& keys, std::int64_t head_width) {
  RopeConfig rope;
  rope.theta = keys.positive("rope.freq_base", 10000.0);
  const std::string key = keys.key("rope.scaling.type");
  const std::string_view type = file.text(key).value_or("none");
  const bool older = file.has(keys.key("rope.scale_linear"));
  if (type == "linear" || (older && type == "none")) {
    rope.factor = keys.positive(older ? "rope.scale_linear" : "rope.scaling.factor");
    rope.scaling = rope.factor == 1.0 ? RopeScaling::none : RopeScaling::linear;
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::yarn;
    rope.factor = keys.positive("rope.scaling.factor");
    rope.original_context = keys.integer("rope.scaling.original_context_length");
    rope.beta_fast = keys.positive("rope.scaling.yarn_beta_fast", 32.0);
    rope.beta_slow = keys.positive("rope.scaling.yarn_beta_slow", 1.0);
  } else if (type != "none") {
    file.fail(
        fmt::format("metadata '{}': {} is not supported: none, linear and yarn are", key, type));
  }
  const core::GgufTensor* factors = file.find("rope_freqs.weight");
  if (factors == nullptr) return rope;
  if (rope.scaling != RopeScaling::none || factors->shape != core::Shape{head_width / 2}) {
    file.fail(
        "tensor 'rope_freqs.weight': has not one factor for every pair of a head, or comes "
        "on top of another RoPE scaling");
  }
  const std::optional<RopeConfig> scaled =
      rope_from_factors(rope, read_gguf_tensor(*factors, core::DType::float32).to_vector<float>());
  if (!scaled) {
    file.fail(
        "tensor 'rope_freqs.weight': its factors follow no RoPE scaling that is supported "
        "(linear, llama3)");
  }
  return *scaled;
}

}  // namespace

DecoderConfig gguf_decoder_config(const core::GgufFile& file) {
  const std::optional<std::string_view> architecture = file.text("general.architecture");
  if (!architecture) file.fail("metadata 'general.architecture' is missing");
  DecoderConfig config;
  if (*architecture == "qwen2") {
    config.architecture = Architecture::qwen2;
  } else if (*architecture != "llama") {
    file.fail(fmt::format("architecture {} is not supported: llama and qwen2 are",
                          architecture->substr(0, 40)));
  }
  const Keys keys(file, *architecture);
  refuse_what_is_not_computed(file, keys);
  config.width = keys.integer("embedding_length");
  config.layers = keys.integer("block_count");
  config.heads = keys.integer("attention.head_count");
  config.kv_heads = keys.integer("attention.head_count_kv", config.heads);
  config.ffn = keys.integer("feed_forward_length");
  config.norm_eps = keys.positive("attention.layer_norm_rms_epsilon");
  if (file.has(keys.key("context_length"))) config.max_positions = keys.integer("context_length");
  const std::int64_t default_width = config.width / config.heads;
  const std::int64_t head_width = keys.integer("attention.key_length", default_width);
  config.head_dim = head_width == default_width ? 0 : head_width;
  keys.must_be("attention.value_length", static_cast<double>(head_width));
  keys.must_be("rope.dimension_count", static_cast<double>(head_width));
  if (config.heads % config.kv_heads != 0) {
    file.fail(
        fmt::format("{} heads are not a multiple of {} key heads", config.heads, config.kv_heads));
  }
  if (head_width < 2 || head_width % 2 != 0 || head_width * config.heads > kLargest) {
    file.fail(fmt::format("{} heads of width {} are not supported", config.heads, head_width));
  }
  if (static_cast<std::uint64_t>(config.layers) > file.tensors().size()) {
    file.fail(fmt::format("{} layers, but only {} tensors", config.layers, file.tensors().size()));
  }
  const core::GgufTensor* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) file.fail("tensor 'token_embd.weight' is missing");
  config.vocab_size = embedding->shape.front();
  config.tied_embeddings = file.find("output.weight") == nullptr;
  config.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
  config.rope = read_rope(file, keys, head_width);
  return config;
}

}  // namespace unfold::models
