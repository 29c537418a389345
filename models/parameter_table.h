// The one table of a decoder's parameters. Allocation, initialisation, optimizer, checkpoints and
// import/export all walk it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "models/decoder_config.h"

namespace unfold::models {

enum class Init { normal, zeros, ones };

// A block of rows of a parameter that is a tensor of its own in a Hugging Face checkpoint.
struct ParameterPart {
  std::string hugging_face_name;
  std::int64_t rows = 0;
};

struct ParameterSpec {
  std::string name;  // "layers.0.attention.qkv.weight"
  core::Shape shape;
  Init init = Init::normal;
  double std = 0;                    // for Init::normal
  bool decay = false;                // weight decay applies (matrices only)
  std::string tied_to;               // the parameter whose storage this one shares, or empty
  std::vector<ParameterPart> parts;  // in row order; their rows add up to shape[0] - gist rows
  std::int64_t gist_rows = 0;        // rows behind the raw vocabulary: gist levels, then links
  bool is_embedding = false;         // the input embedding
};

// Names: embedding.weight; layers.I.attention_norm.weight, .attention.qkv.weight (query, key and
// value rows one behind the other), .attention.qkv.bias (Qwen2), .attention.out.weight,
// .mlp_norm.weight, .mlp.gate_up.weight (gate, then up), .mlp.down.weight; norm.weight;
// head.weight. gist_rows: gsa::GistConfig::rows().
std::vector<ParameterSpec> parameter_table(const DecoderConfig& config, int gist_rows);

// Whether it is a matrix of a block: of attention or MLP, not embedding or head.
inline bool is_block_matrix(const ParameterSpec& spec) {
  return spec.name.starts_with("layers.") && spec.shape.size() == 2;
}

// Elements over all parameters, tied ones counted once.
std::int64_t count_parameters(const DecoderConfig& config, int gist_rows);

}  // namespace unfold::models
