// A training run small enough for a test: a corpus of invented words, a model of two narrow layers.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "gsa/gist_config.h"
#include "models/decoder.h"
#include "train/trainer.h"

namespace unfold::train::testing {

// Words of one to seven letters, about `bytes` long; another seed, other words.
std::string invented_text(std::size_t bytes, std::uint64_t seed);

// Shards of the byte tokenizer in folder/train and folder/val: documents of 20 to 400 bytes, so
// that rows differ in how many targets they have.
void make_shards(const std::filesystem::path& folder);

// Two layers, width 16, vocabulary of the byte tokenizer.
models::DecoderConfig tiny_decoder();

// Continued pretraining of that decoder for 8 steps on make_shards(folder), rows of 48 positions,
// into folder/run. Quiet: no progress lines.
TrainerConfig tiny_config(const std::filesystem::path& folder);

// Records instead of shards: folder/sft/*.jsonl, contexts of two segments with two questions.
void use_records(TrainerConfig& config, const std::filesystem::path& folder);
// The same as prompts with links (METHOD.md section 8), their queries unfolding.
void use_links(TrainerConfig& config, const std::filesystem::path& folder);

// The first rows of folder/val in batches of batch_rows.
std::vector<data::Batch> tiny_batches(const std::filesystem::path& folder,
                                      const gsa::GistConfig& gist, std::int64_t rows,
                                      std::int64_t batch_rows);

// train() in a world of one process.
TrainSummary run_training(const TrainerConfig& config, bool resume = false);

std::string read_file(const std::filesystem::path& file);
// Every file below a folder by its relative path: what a test that "nothing changed" compares.
std::vector<std::pair<std::string, std::string>> read_tree(const std::filesystem::path& folder);
// The lines of RUN/metrics.jsonl without what depends on the clock.
std::vector<std::string> timeless_metrics(const std::filesystem::path& run);
// One number of every step line, e.g. "loss".
std::vector<double> metric(const std::filesystem::path& run, const std::string& name);

}  // namespace unfold::train::testing
