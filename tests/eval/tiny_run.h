// Small random models as runs on disk, as training leaves them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "eval/loaded_run.h"
#include "gsa/gist_config.h"
#include "models/decoder.h"

namespace unfold::eval {

struct TinyRunOptions {
  gsa::GistConfig gist = {.chunks = {4}, .sinks = 2, .previous_chunks = 1};
  std::int64_t wider = 0;  // entries of the model's vocabulary behind the tokenizer's
  std::uint64_t seed = 1;
  core::DType dtype = core::DType::float64;           // stored as float32 unless this is float64
  std::vector<std::int64_t> steps = {10};             // checkpoints; all hold the same weights
  std::function<void(models::Decoder&)> change = {};  // before it is saved
};

// Writes config.yaml, tokenizer.json (unless the tokenizer is bytes) and checkpoints.
void write_tiny_run(const std::filesystem::path& folder, const data::Tokenizer& tokenizer,
                    const TinyRunOptions& options = {});
// The same with the byte tokenizer.
void write_tiny_run(const std::filesystem::path& folder, const TinyRunOptions& options = {});

// Writes a byte run and opens it in float64, so that equal computations agree closely.
LoadedRun make_tiny_run(const std::filesystem::path& folder, const TinyRunOptions& options = {});

// Every logit of this decoder is 0: it finds all tokens of the vocabulary equally likely.
void make_uniform(models::Decoder& decoder);

// A shard of byte tokens, one document a text.
std::filesystem::path write_shard(const std::filesystem::path& file,
                                  const data::Tokenizer& tokenizer,
                                  const std::vector<std::string>& texts);

}  // namespace unfold::eval
