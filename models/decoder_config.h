// Shape of a Llama- or Qwen2-type decoder.
#pragma once

#include <cstdint>
#include <string>

namespace unfold::models {

enum class Architecture { llama, qwen2 };
enum class RopeScaling { none, linear, dynamic, yarn, llama3 };

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double low_frequency_factor = 1.0;     // llama3
  double high_frequency_factor = 4.0;    // llama3
  double beta_fast = 32.0;               // yarn
  double beta_slow = 1.0;                // yarn
  std::int64_t original_context = 8192;  // llama3, yarn, dynamic
  double attention_factor = 0;           // yarn: scale of queries and keys; 0: 0.1 ln(factor) + 1
  bool operator==(const RopeConfig&) const = default;
};

struct DecoderConfig {
  Architecture architecture = Architecture::llama;
  std::int64_t vocab_size = 0;  // raw vocabulary, without gist rows; 0: take the tokenizer's
  std::int64_t width = 256;
  std::int64_t layers = 8;
  std::int64_t heads = 8;
  std::int64_t kv_heads = 4;
  std::int64_t head_dim = 0;  // 0: width / heads
  std::int64_t ffn = 768;
  double norm_eps = 1e-5;
  RopeConfig rope;
  bool qkv_bias = false;
  bool tied_embeddings = true;
  double dropout = 0.0;
  // Standard deviation of initial weights: fixed, or 0 for 1/sqrt(fan in). Output projections of
  // attention and MLP are divided by sqrt(2 * layers).
  double init_std = 0.02;
  // Of the input embedding, and of a head tied to it: fixed, or 0 for init_std (0.02 where that is
  // 0: an embedding is no product). A small model that must copy tokens learns it much sooner with
  // 1: a token then outweighs what the first layers add to it.
  double embedding_std = 0;
  // Positions the model was made for; 0: unknown. Told to whoever opens an export; nothing here
  // computes with it.
  std::int64_t max_positions = 0;

  std::int64_t head_width() const { return head_dim > 0 ? head_dim : width / heads; }
  bool operator==(const DecoderConfig&) const = default;
};

}  // namespace unfold::models
