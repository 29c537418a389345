#include "models/parameter_table.h"

#include <fmt/core.h>

#include <cmath>

namespace unfold::models {
namespace {

class TableBuilder {
 public:
  TableBuilder(const DecoderConfig& config, int gist_rows)
      : config_(config), gist_rows_(gist_rows) {}

  std::vector<ParameterSpec> build() {
    const std::int64_t width = config_.width;
    const std::int64_t head = config_.head_width();
    const std::int64_t query = config_.heads * head;
    const std::int64_t key = config_.kv_heads * head;
    // Residual branches start small, so that the sum over layers has unit scale (GPT-2).
    const double residual = 1.0 / std::sqrt(2.0 * static_cast<double>(config_.layers));
    vocabulary("embedding.weight", "model.embed_tokens.weight", embedding_deviation(), "");
    table_.back().is_embedding = true;
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const std::string ours = fmt::format("layers.{}.", layer);
      const std::string theirs = fmt::format("model.layers.{}.", layer);
      norm(ours + "attention_norm.weight", theirs + "input_layernorm.weight");
      matrix(ours + "attention.qkv.weight", width, 1.0,
             {{theirs + "self_attn.q_proj.weight", query},
              {theirs + "self_attn.k_proj.weight", key},
              {theirs + "self_attn.v_proj.weight", key}});
      if (config_.qkv_bias) {
        add({ours + "attention.qkv.bias",
             {query + 2 * key},
             Init::zeros,
             0,
             false,
             "",
             {{theirs + "self_attn.q_proj.bias", query},
              {theirs + "self_attn.k_proj.bias", key},
              {theirs + "self_attn.v_proj.bias", key}},
             0});
      }
      matrix(ours + "attention.out.weight", query, residual,
             {{theirs + "self_attn.o_proj.weight", width}});
      norm(ours + "mlp_norm.weight", theirs + "post_attention_layernorm.weight");
      matrix(ours + "mlp.gate_up.weight", width, 1.0,
             {{theirs + "mlp.gate_proj.weight", config_.ffn},
              {theirs + "mlp.up_proj.weight", config_.ffn}});
      matrix(ours + "mlp.down.weight", config_.ffn, residual,
             {{theirs + "mlp.down_proj.weight", width}});
    }
    norm("norm.weight", "model.norm.weight");
    vocabulary("head.weight", "lm_head.weight",
               config_.tied_embeddings ? embedding_deviation() : deviation(width),
               config_.tied_embeddings ? "embedding.weight" : "");
    return std::move(table_);
  }

 private:
  void add(ParameterSpec spec) { table_.push_back(std::move(spec)); }

  void norm(const std::string& name, const std::string& theirs) {
    add({name, {config_.width}, Init::ones, 0, false, "", {{theirs, config_.width}}, 0});
  }

  void matrix(const std::string& name, std::int64_t columns, double gain,
              std::vector<ParameterPart> parts) {
    std::int64_t rows = 0;
    for (const ParameterPart& part : parts) rows += part.rows;
    add({name,
         {rows, columns},
         Init::normal,
         gain * deviation(columns),
         true,
         "",
         std::move(parts),
         0});
  }

  void vocabulary(const std::string& name, const std::string& theirs, double std,
                  const std::string& tied_to) {
    const std::int64_t rows = config_.vocab_size + gist_rows_;
    add({name,
         {rows, config_.width},
         Init::normal,
         std,
         true,
         tied_to,
         {{theirs, config_.vocab_size}},
         gist_rows_});
  }

  double embedding_deviation() const {
    if (config_.embedding_std > 0) return config_.embedding_std;
    return config_.init_std > 0 ? config_.init_std : 0.02;
  }

  double deviation(std::int64_t fan_in) const {
    return config_.init_std > 0 ? config_.init_std : 1.0 / std::sqrt(static_cast<double>(fan_in));
  }

  const DecoderConfig& config_;
  int gist_rows_;
  std::vector<ParameterSpec> table_;
};

}  // namespace

std::vector<ParameterSpec> parameter_table(const DecoderConfig& config, int gist_rows) {
  return TableBuilder(config, gist_rows).build();
}

std::int64_t count_parameters(const DecoderConfig& config, int gist_rows) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameter_table(config, gist_rows)) {
    if (spec.tied_to.empty()) count += core::element_count(spec.shape);
  }
  return count;
}

}  // namespace unfold::models
