#include "cli/bench/model.h"

namespace unfold::cli::bench {

models::DecoderConfig model_config() {
  models::DecoderConfig config;
  config.vocab_size = 8192;
  config.width = 256;
  config.layers = 8;
  config.heads = 8;
  config.kv_heads = 4;
  config.head_dim = 32;
  config.ffn = 768;
  return config;
}

train::TrainerConfig training_config(std::int64_t chunk) {
  train::TrainerConfig config;
  config.model = model_config();
  config.gist.chunks.clear();
  if (chunk > 0) config.gist.chunks = {chunk};
  config.train.objective = chunk > 0 ? train::Objective::cpt : train::Objective::lm;
  config.train.rows = kRows;
  config.train.row_length = kRowLength;
  return config;
}

}  // namespace unfold::cli::bench
