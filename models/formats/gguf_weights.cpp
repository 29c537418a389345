#include "models/formats/gguf_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "core/gguf_file.h"
#include "models/formats/gguf_blocks.h"
#include "models/formats/gguf_config.h"

namespace unfold::models {
namespace {

// A tensor the decoder has: its two names and its shape.
struct Wanted {
  std::string gguf;
  std::string hugging_face;
  core::Shape shape;
  bool is_rotated = false;  // rows that RoPE turns: query and key
};

std::vector<Wanted> wanted_tensors(const DecoderConfig& config) {
  const std::int64_t width = config.width;
  const std::int64_t query = config.heads * config.head_width();
  const std::int64_t key = config.kv_heads * config.head_width();
  std::vector<Wanted> list = {
      {"token_embd.weight", "model.embed_tokens.weight", {config.vocab_size, width}},
      {"output_norm.weight", "model.norm.weight", {width}}};
  if (!config.tied_embeddings) {
    list.push_back({"output.weight", "lm_head.weight", {config.vocab_size, width}});
  }
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string in = fmt::format("blk.{}.", layer);
    const std::string out = fmt::format("model.layers.{}.", layer);
    const auto add = [&](const char* gguf, const char* hugging_face, core::Shape shape,
                         bool is_rotated = false) {
      list.push_back({in + gguf, out + hugging_face, std::move(shape), is_rotated});
    };
    add("attn_norm.weight", "input_layernorm.weight", {width});
    add("attn_q.weight", "self_attn.q_proj.weight", {query, width}, true);
    add("attn_k.weight", "self_attn.k_proj.weight", {key, width}, true);
    add("attn_v.weight", "self_attn.v_proj.weight", {key, width});
    if (config.qkv_bias) {
      add("attn_q.bias", "self_attn.q_proj.bias", {query}, true);
      add("attn_k.bias", "self_attn.k_proj.bias", {key}, true);
      add("attn_v.bias", "self_attn.v_proj.bias", {key});
    }
    add("attn_output.weight", "self_attn.o_proj.weight", {width, query});
    add("ffn_norm.weight", "post_attention_layernorm.weight", {width});
    add("ffn_gate.weight", "mlp.gate_proj.weight", {config.ffn, width});
    add("ffn_up.weight", "mlp.up_proj.weight", {config.ffn, width});
    add("ffn_down.weight", "mlp.down_proj.weight", {width, config.ffn});
  }
  return list;
}

class GgufWeights : public WeightSource {
 public:
  explicit GgufWeights(const std::filesystem::path& path)
      : file_(path), config_(gguf_decoder_config(file_)) {
    find_tensors();
    std::map<std::string_view, std::int64_t> values;
    for (const core::GgufTensor& tensor : file_.tensors()) {
      const std::string_view type = core::gguf_block(tensor.type).name;
      listed_.push_back({tensor.name, tensor.shape, std::string(type),
                         static_cast<std::int64_t>(tensor.bytes.size())});
      values[type] += core::element_count(tensor.shape);
    }
    const auto most = std::max_element(values.begin(), values.end(),
                                       [](auto& a, auto& b) { return a.second < b.second; });
    main_type_ = most->first;
  }

  const DecoderConfig& config() const override { return config_; }
  const std::vector<SourceTensor>& tensors() const override { return listed_; }
  std::string describe() const override {
    return fmt::format("GGUF file, {} tensors, mostly {}", listed_.size(), main_type_);
  }

  core::Tensor read(const std::string& hugging_face_name, core::DType dtype) const override {
    const auto found = by_name_.find(hugging_face_name);
    if (found == by_name_.end()) return {};
    const auto& [tensor, head_width] = found->second;
    core::Tensor values = read_gguf_tensor(*tensor, dtype, head_width);
    file_.release(*tensor);
    return values;
  }

 private:
  struct Entry {
    const core::GgufTensor* tensor;
    std::int64_t head_width;  // of interleaved rows; 0: as they are
  };

  void find_tensors() {
    const bool interleaved = config_.architecture == Architecture::llama;
    std::unordered_map<std::string_view, bool> known = {{"rope_freqs.weight", true}};
    for (const Wanted& wanted : wanted_tensors(config_)) {
      const core::GgufTensor* tensor = file_.find(wanted.gguf);
      if (tensor == nullptr) file_.fail(fmt::format("tensor '{}' is missing", wanted.gguf));
      if (tensor->shape != wanted.shape) {
        file_.fail(fmt::format("tensor '{}': has shape {}, the metadata says {}", wanted.gguf,
                               core::to_string(tensor->shape), core::to_string(wanted.shape)));
      }
      known[tensor->name] = true;
      const bool turned = interleaved && wanted.is_rotated;
      by_name_[wanted.hugging_face] = {tensor, turned ? config_.head_width() : 0};
    }
    for (const core::GgufTensor& tensor : file_.tensors()) {
      // Leaving one out would give another model.
      if (!known.contains(tensor.name)) {
        file_.fail(fmt::format("tensor '{}' has no place in this architecture", tensor.name));
      }
    }
  }

  core::GgufFile file_;
  DecoderConfig config_;
  std::vector<SourceTensor> listed_;
  std::unordered_map<std::string, Entry> by_name_;
  std::string main_type_;
};

}  // namespace

std::unique_ptr<WeightSource> open_gguf_weights(const std::filesystem::path& file) {
  return std::make_unique<GgufWeights>(file);
}

}  // namespace unfold::models
