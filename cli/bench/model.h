// The model and rows that the benchmarks run: 10 million parameters, rows of 1024 positions.
#pragma once

#include <cstdint>

#include "data/batch.h"
#include "gsa/gist_config.h"
#include "models/decoder_config.h"
#include "train/trainer.h"

namespace unfold::cli::bench {

inline constexpr std::int64_t kRows = 4;
inline constexpr std::int64_t kRowLength = 1024;

// Vocabulary 8192, width 256, 8 layers, 8 heads of 32 (4 key/value heads), feed-forward 768; tied.
models::DecoderConfig model_config();

// A float32 training of that model. chunk 0: plain causal attention; else gists behind every
// `chunk` tokens.
train::TrainerConfig training_config(std::int64_t chunk);

}  // namespace unfold::cli::bench
